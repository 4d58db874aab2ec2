"""One training in several processes, which a launcher such as torchrun began. Each computes its share of every batch.

All take the same batches in the same order, and hold the same weights. What is computed for the whole batch, they sum.
Only the first writes. Trainer does not know of the others: to it, each process is a training of its own.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from distilrank.errors import WorkerError
from distilrank.rankers.base import Encoded
from distilrank.rankers.threads import threads_in_torch
from distilrank.workers.cores import threads, threads_of_a_training

# A launcher sets these. Trainer would read them and start processes of its own.
_PLACE = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
# The longest that the other processes wait, such as for the first to write a checkpoint.
_PATIENCE = timedelta(hours=1)
_LONGEST_WORD = 4096


@dataclass(frozen=True)
class Processes:
    """This process's place among all, counted from 0, and the group in which their cards exchange tensors."""

    rank: int = 0
    count: int = 1
    cards: "dist.ProcessGroup | None" = None

    @property
    def first(self) -> bool:
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, given to each of them. Computed in place."""
        if self.count > 1:
            dist.all_reduce(values, group=self.cards if values.is_cuda else None)
        return values

    def whole(self, own: Tensor, rows: Tensor, count: int) -> Tensor:
        """The rows (count, ...) of all processes, each process's own at their places."""
        if self.count == 1:
            return own
        every = own.new_zeros(count, *own.shape[1:])
        every[rows] = own
        return self.sum(every)

    def gathered(self, own: Encoded, rows: Tensor, count: int) -> Encoded:
        """`count` rows: each process's own at their places, all padded to the longest."""
        if self.count == 1:
            return own
        own = own.filled_up(self._highest(own.values.shape[1]))
        return Encoded(self.whole(own.values, rows, count), self.whole(own.mask.byte(), rows, count).bool())

    def add_gradients(self, model: nn.Module) -> None:
        """Turns the gradients of the processes' shares of a batch into those of the whole batch."""
        if self.count == 1:
            return
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        have = self.sum(torch.tensor([weight.grad is not None for weight in weights], dtype=torch.int32)).tolist()
        # A weight with a gradient in no process, such as one that this loss does not reach, gets none here either.
        learning = [weight for weight, some in zip(weights, have, strict=True) if some]
        shares = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in learning]
        # In one exchange, since each exchange has its latency.
        whole = self.sum(torch.cat([share.ravel() for share in shares]))
        for weight, gradient in zip(learning, torch.split(whole, [share.numel() for share in shares]), strict=True):
            weight.grad = gradient.view_as(weight)

    def mean(self, total: float, count: int) -> float:
        """The mean over the values of all processes. This process has `count` values that add up to `total`."""
        total, count = self.sum(torch.tensor([total, count], dtype=torch.float64)).tolist()
        return total / count

    @contextmanager
    def own_dropout(self, *place: int) -> Iterator[None]:
        """A block in which each process draws its own numbers, seeded by its rank and the place in a training."""
        if self.count == 1:
            yield
            return
        with torch.random.fork_rng(card_in_use()):
            torch.manual_seed(zlib.crc32(repr((*place, self.rank)).encode()))
            yield

    def tell(self, word: str) -> None:
        """Sends a word from the first process to the others, which wait for it."""
        if self.count > 1:
            encoded = word.encode()
            padded = encoded.ljust(_LONGEST_WORD, b"\0")
            dist.broadcast(torch.frombuffer(bytearray(padded), dtype=torch.uint8), src=0)

    def told(self) -> str:
        """The word that the first process sends. It is empty if that process has refused to begin."""
        heard = torch.zeros(_LONGEST_WORD, dtype=torch.uint8)
        try:
            dist.broadcast(heard, src=0)
        except RuntimeError:
            return ""  # the first process has ended, and has reported why
        return bytes(heard.tolist()).rstrip(b"\0").decode()

    def _highest(self, number: int) -> int:
        highest = torch.tensor(number)
        dist.all_reduce(highest, dist.ReduceOp.MAX)
        return int(highest)


ALONE = Processes()


def card_in_use() -> list[int]:
    """The card that this process computes on, if any."""
    in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # untyped in torch
    return [torch.cuda.current_device()] if in_use else []


@contextmanager
def together(device: torch.device) -> Iterator[Processes]:
    """All processes that were launched with this one, or only this one if it was not launched.

    After an error they stay connected until the process has reported it, since its end is an error for the others.
    Raises WorkerError if some have a card and others have none.
    """
    if "RANK" not in os.environ:
        with threads_in_torch(threads_of_a_training()):
            yield ALONE
        return
    dist.init_process_group("gloo", timeout=_PATIENCE)
    among = Processes(dist.get_rank(), dist.get_world_size())
    on_cards = int(among.sum(torch.tensor(int(device.type == "cuda"))))
    if on_cards not in (0, among.count):
        raise WorkerError(
            "DISTILRANK_LAUNCHER",
            got=f"{among.count} processes, of which {on_cards} have a card",
            expected="a card for each, or for none",
            remedy="start as many processes as there are cards, or set DISTILRANK_DEVICE=cpu",
        )
    if on_cards:
        among = replace(among, cards=dist.new_group(backend="nccl", timeout=_PATIENCE))
    own_threads = max(1, threads() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    for name in _PLACE:
        os.environ.pop(name, None)
    with threads_in_torch(own_threads):
        yield among
    dist.destroy_process_group()

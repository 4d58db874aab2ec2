"""Batches of rows of like length, each through a ranker, without gradients.

On a CPU as many batches run at once as there are threads, each on one of them: small matrix products are done sooner
side by side than one after the other on all cores, and each comes out the same however many cores there are. On a card
they run one after the other, or several at once, each in a stream of its own, if DISTILRANK_ACCELERATION asks for it.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from threading import local
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from distilrank.data.batches import batches_by_length
from distilrank.data.ragged import Rows
from distilrank.rankers.acceleration import Acceleration
from distilrank.rankers.threads import threads_in_torch
from distilrank.workers.cores import threads

Result = TypeVar("Result")
_own = local()


def tokens_per_batch(device: torch.device) -> int:
    """The padded tokens of a batch, unless they were measured: on a CPU it should fit the cache, on a GPU fill it."""
    return 600 if device.type == "cpu" else 65_536


def copies_pinned(device: torch.device) -> bool:
    """Whether batches go to the device by way of pinned memory: where several are on their way at once."""
    return device.type == "cuda" and Acceleration.chosen().streams > 1


def each_batch(
    lengths: npt.NDArray[np.int64], compute: Callable[[Rows], Result], device: torch.device, budget: int | None = None
) -> Iterator[tuple[Rows, Result]]:
    """Batches of positions in `lengths`, of at most `budget` padded tokens, and what `compute` makes of each.

    They come in any order, each position in one of them.
    """
    batches = batches_by_length(lengths, budget or tokens_per_batch(device))
    if device.type == "cpu":
        with threads_in_torch(1) as side_by_side:
            # Torch does not know of a container's quota.
            yield from _side_by_side(batches, partial(_without_gradients, compute), min(side_by_side, threads()))
    elif (streams := Acceleration.chosen().streams) > 1:
        torch.cuda.synchronize(device)  # a stream of its own does not wait for what was begun before
        yield from _side_by_side(batches, partial(_in_own_stream, compute, device), streams)
    else:
        yield from (_without_gradients(compute, batch) for batch in batches)


def _side_by_side(
    batches: Iterator[Rows], compute: Callable[[Rows], tuple[Rows, Result]], threads: int
) -> Iterator[tuple[Rows, Result]]:
    with ThreadPoolExecutor(threads) as pool:
        running: set[Future[tuple[Rows, Result]]] = set()
        try:
            while True:
                # Enough that no thread waits, few enough that results do not pile up.
                some = islice(batches, 4 * threads - len(running))
                running |= {pool.submit(compute, batch) for batch in some}
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        finally:
            for waiting in running:
                waiting.cancel()


@torch.inference_mode()
def _without_gradients(compute: Callable[[Rows], Result], batch: Rows) -> tuple[Rows, Result]:
    return batch, compute(batch)


def _in_own_stream(compute: Callable[[Rows], Result], device: torch.device, batch: Rows) -> tuple[Rows, Result]:
    """In the stream of this thread: one batch is laid out and copied while another is computed."""
    if not hasattr(_own, "stream"):
        _own.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # untyped in torch
    with torch.cuda.stream(_own.stream):
        return _without_gradients(compute, batch)

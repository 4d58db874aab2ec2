"""Runs a ranker without gradients over batches of rows of similar length.

On a CPU, each thread runs its own batch. Small matrix products are sooner done side by side than in turn on all cores,
and results do not depend on the number of cores. On a card, batches run in turn, or several at once in streams of their
own if DISTILRANK_ACCELERATION asks for it.
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
    """The padded tokens of a batch, if nothing was measured. On a CPU a batch should fit the cache, on a GPU it should
    fill it."""
    return 600 if device.type == "cpu" else 65_536


def copies_pinned(device: torch.device) -> bool:
    """Whether batches go to the device through pinned memory, as they do where several are computed at once."""
    return device.type == "cuda" and Acceleration.chosen().streams > 1


def each_batch(
    lengths: npt.NDArray[np.int64], compute: Callable[[Rows], Result], device: torch.device, budget: int | None = None
) -> Iterator[tuple[Rows, Result]]:
    """Batches of positions in `lengths`, of at most `budget` padded tokens, and the result of `compute` for each.

    The batches come in any order. Each position is in one of them.
    """
    batches = batches_by_length(lengths, budget or tokens_per_batch(device))
    if device.type == "cpu":
        with threads_in_torch(1) as side_by_side:
            # torch does not know a container's quota of cores.
            yield from _side_by_side(batches, partial(_without_gradients, compute), min(side_by_side, threads()))
    elif (streams := Acceleration.chosen().streams) > 1:
        torch.cuda.synchronize(device)  # a new stream does not wait for work in the default stream
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
                # Enough batches that no thread waits, few enough that results do not pile up.
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
    """Computes in this thread's stream, so that one batch is laid out and copied while another is computed."""
    if not hasattr(_own, "stream"):
        _own.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # untyped in torch
    with torch.cuda.stream(_own.stream):
        return _without_gradients(compute, batch)

"""Batches of rows of like length, each through a ranker, without gradients.

On a CPU as many batches run at once as torch has threads, each on one of them: small matrix products are done sooner
side by side than one after the other on all cores, and each comes out the same however many cores there are.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from distilrank.data.batches import batches_by_length
from distilrank.data.ragged import Rows

Result = TypeVar("Result")


def tokens_per_batch(device: torch.device) -> int:
    """The padded tokens of a batch, unless they were measured: on a CPU it should fit the cache, on a GPU fill it."""
    return 600 if device.type == "cpu" else 65_536


def each_batch(
    lengths: npt.NDArray[np.int64], compute: Callable[[Rows], Result], device: torch.device, budget: int | None = None
) -> Iterator[tuple[Rows, Result]]:
    """Batches of positions in `lengths`, of at most `budget` padded tokens, and what `compute` makes of each.

    They come in any order, each position in one of them.
    """
    batches = batches_by_length(lengths, budget or tokens_per_batch(device))
    if device.type != "cpu":
        yield from (_without_gradients(compute, batch) for batch in batches)
        return
    with _one_thread_a_product() as threads, ThreadPoolExecutor(threads) as pool:
        running: set[Future[tuple[Rows, Result]]] = set()
        try:
            while True:
                # Enough that no thread waits, few enough that results do not pile up.
                some = islice(batches, 4 * threads - len(running))
                running |= {pool.submit(_without_gradients, compute, batch) for batch in some}
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


@contextmanager
def _one_thread_a_product() -> Iterator[int]:
    """Gives the number of threads that torch had."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)

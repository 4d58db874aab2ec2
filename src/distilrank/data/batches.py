"""Batches of rows of like length, bounded by their tokens."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt


def batches_by_length(lengths: npt.NDArray[np.int64], tokens_per_batch: int) -> Iterator[npt.NDArray[np.int64]]:
    """Positions in `lengths`, shortest rows first, in batches of at most `tokens_per_batch` padded tokens.

    A row that is longer than that makes a batch of its own. Every position comes once.
    """
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        end = start + 1
        # Rows ascend in length, so the last one is what a batch is padded to.
        while end < len(order) and lengths[order[end]] * (end + 1 - start) <= tokens_per_batch:
            end += 1
        yield order[start:end]
        start = end

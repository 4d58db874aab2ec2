"""Batches of rows of similar length, bounded by their tokens."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt


def batches_by_length(lengths: npt.NDArray[np.int64], tokens_per_batch: int) -> Iterator[npt.NDArray[np.int64]]:
    """Positions in `lengths`, shortest rows first, in batches of at most `tokens_per_batch` padded tokens.

    A row that is longer makes a batch of its own. Every position comes once. A batch that is at least half full ends
    where the length changes: attention needs no mask for a batch without padding, and then takes its fastest kernel.
    """
    order = np.argsort(lengths, kind="stable")
    ascending = lengths[order].tolist()
    start = 0
    for row in range(1, len(ascending)):
        rows, longest, length = row - start, ascending[row - 1], ascending[row]
        fits = length * (rows + 1) <= tokens_per_batch
        if not fits or (length > longest and 2 * longest * rows >= tokens_per_batch):
            yield order[start:row]
            start = row
    if len(order):
        yield order[start:]

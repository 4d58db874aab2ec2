"""The best passages of a search. Ties at the cut-off are broken by lot, not by the order of ids."""

import numpy as np
import numpy.typing as npt

from distilrank.data.ties import scattered

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def best(rows: Rows, scores: Floats, depth: int) -> tuple[Rows, Floats]:
    """The `depth` rows of the highest scores, best first, and these scores, along the last axis of both. Ties go by
    lot.

    Rows are told apart by their lots, so that the best of several parts are the best of all.
    """
    keys = _keys(rows, scores)
    if keys.shape[-1] > depth:
        some = np.argpartition(keys, depth - 1)[..., :depth]
        rows, scores = np.take_along_axis(rows, some, -1), np.take_along_axis(scores, some, -1)
        keys = np.take_along_axis(keys, some, -1)
    order = np.argsort(keys)
    return np.take_along_axis(rows, order, -1), np.take_along_axis(scores, order, -1)


def _keys(rows: Rows, scores: Floats) -> npt.NDArray[np.uint64]:
    """Sort keys: lower is better. Ties are broken by lot."""
    bits = (scores.astype(np.float32) + np.float32(0)).view(np.uint32)  # adding 0 turns -0 into 0
    # As integers in the order of the floats: a negative float has all bits inverted, any other only the sign bit.
    ascending = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (~ascending).astype(np.uint64) << np.uint64(32) | scattered(rows).astype(np.uint64)

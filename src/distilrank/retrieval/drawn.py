"""The best passages of a search, and those that tie where it is cut off: they go by lot, not by the order of ids."""

import numpy as np
import numpy.typing as npt

from distilrank.data.ties import scattered

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
# Products at once in memory.
_AT_ONCE = 1 << 24
# Products of the same vectors differ by so much, by where they stand in a matrix.
_ROUNDING = 1e-6
_OUT = np.iinfo(np.uint64).max


def best(rows: Rows, scores: Floats, depth: int) -> tuple[Rows, Floats]:
    """The `depth` rows of the highest scores, best first, and these; ties by lot. Along the last axis of both.

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
    """Numbers that ascend from the best to the worst: of the score, then of the lot."""
    bits = (scores.astype(np.float32) + np.float32(0)).view(np.uint32)  # which makes 0 of -0
    # Floats as numbers in their order: the sign is turned, and of negative ones all else too.
    ascending = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (~ascending).astype(np.uint64) << np.uint64(32) | scattered(rows).astype(np.uint64)


def drawn_at_the_cut(vectors: Floats, queries: Floats, rows: Rows, scores: Floats) -> Rows:
    """Of the best rows (queries, depth + 1) by inner product the best `depth`; ties that the cut parts go by lot."""
    depth = rows.shape[1] - 1
    tied = np.flatnonzero(np.isclose(scores[:, -2], scores[:, -1], _ROUNDING, 0.0))
    step = max(1, _AT_ONCE // len(vectors))
    for start in range(0, len(tied), step):
        some = tied[start : start + step]
        rows[some, :depth] = _drawn(vectors, queries[some], rows[some, :depth], scores[some, -2:-1])
    return rows[:, :depth]


def _drawn(vectors: Floats, queries: Floats, found: Rows, least: Floats) -> Rows:
    """The `depth` rows whose products are above `least` (queries, 1), then those with it by lot."""
    every, depth, rounding = np.arange(len(vectors)), found.shape[1], _ROUNDING * np.abs(least)
    products = queries @ vectors.T
    lots = np.broadcast_to(scattered(every).astype(np.uint64) + np.uint64(1 << 32), products.shape)
    keys = np.where(products > least + rounding, np.uint64(0), np.where(products >= least - rounding, lots, _OUT))
    best = np.argpartition(keys, depth - 1)[:, :depth]
    is_whole = (np.take_along_axis(keys, best, 1) < _OUT).all(axis=1, keepdims=True)
    return np.where(is_whole, best, found)

"""Passages that tie where an exact search is cut off: Faiss takes the first rows, which are in the order of ids."""

import numpy as np
import numpy.typing as npt

from distilrank.data.ragged import Rows
from distilrank.data.ties import scattered
from distilrank.retrieval.vector_store import VectorStore
from distilrank.retrieval.vectors import Vectors

# Products at once in memory.
_AT_ONCE = 1 << 24
# Products of the same vectors differ by so much, by where they stand in a matrix.
_ROUNDING = 1e-6
_OUT = np.iinfo(np.uint64).max


def drawn_at_the_cut(store: VectorStore, queries: Vectors, rows: Rows, scores: npt.NDArray[np.float32]) -> Rows:
    """Of the best rows (queries, depth + 1) by inner product the best `depth`; ties that the cut parts go by lot."""
    depth = rows.shape[1] - 1
    tied = np.flatnonzero(np.isclose(scores[:, -2], scores[:, -1], _ROUNDING, 0.0))
    step = max(1, _AT_ONCE // len(store))
    for start in range(0, len(tied), step):
        some = tied[start : start + step]
        rows[some, :depth] = _drawn(store, queries[some], rows[some, :depth], scores[some, -2:-1])
    return rows[:, :depth]


def _drawn(store: VectorStore, queries: Vectors, found: Rows, least: npt.NDArray[np.float32]) -> Rows:
    """The `depth` rows whose products are above `least` (queries, 1), then those with it by lot."""
    every, depth, rounding = np.arange(len(store)), found.shape[1], _ROUNDING * np.abs(least)
    products = np.hstack([queries @ block.T for _, block in store.blocks()])
    lots = np.broadcast_to(scattered(every).astype(np.uint64) + np.uint64(1 << 32), products.shape)
    keys = np.where(products > least + rounding, np.uint64(0), np.where(products >= least - rounding, lots, _OUT))
    best = np.argpartition(keys, depth - 1)[:, :depth]
    is_whole = (np.take_along_axis(keys, best, 1) < _OUT).all(axis=1, keepdims=True)
    return np.where(is_whole, best, found)

"""Exact search: the highest inner products with all stored vectors, block by block, on a card if there is one."""

import numpy as np
import torch

from distilrank.data.ragged import Rows
from distilrank.data.ties import scattered
from distilrank.rankers.device import chosen_device
from distilrank.retrieval.drawn import Floats, best
from distilrank.retrieval.vector_store import VectorStore
from distilrank.retrieval.vectors import Vectors

# Products at once in memory.
_AT_ONCE = 1 << 24
# Products of the same vectors differ by so much, by where they stand in a matrix.
_ROUNDING = 1e-6
_OUT = np.iinfo(np.uint64).max


def nearest(store: VectorStore, queries: Vectors, depth: int) -> Rows:
    """The rows (queries, depth) of the highest products, best first. Ties at the cut-off go by lot."""
    # One more than asked for shows whether the cut parts passages that tie.
    deep = min(depth + 1, len(store))
    device = chosen_device()
    rows, scores = np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32)
    for of_block, block in store.blocks():
        own, own_scores = _in_block(block, queries, min(deep, len(block)), device)
        rows, scores = best(np.hstack([rows, of_block[own]]), np.hstack([scores, own_scores]), deep)
    return _drawn_at_the_cut(store, queries, rows, scores) if deep > depth else rows


def _in_block(block: Vectors, queries: Vectors, depth: int, device: torch.device) -> tuple[Rows, Floats]:
    if device.type == "cuda":
        products = torch.tensor(queries, device=device) @ torch.tensor(block, device=device).T
        found = products.topk(depth)
        return found.indices.cpu().numpy(), found.values.cpu().numpy()
    import faiss

    scores, rows = faiss.knn(queries, block, depth, metric=faiss.METRIC_INNER_PRODUCT)
    return rows, scores


def _drawn_at_the_cut(store: VectorStore, queries: Vectors, rows: Rows, scores: Floats) -> Rows:
    """The best `depth` of the best rows (queries, depth + 1). Faiss alone would take those that tie in the order of
    ids."""
    depth = rows.shape[1] - 1
    tied = np.flatnonzero(np.isclose(scores[:, -2], scores[:, -1], _ROUNDING, 0.0))
    step = max(1, _AT_ONCE // len(store))
    for start in range(0, len(tied), step):
        some = tied[start : start + step]
        rows[some, :depth] = _drawn(store, queries[some], rows[some, :depth], scores[some, -2:-1])
    return rows[:, :depth]


def _drawn(store: VectorStore, queries: Vectors, found: Rows, least: Floats) -> Rows:
    """The `depth` best rows: those with products above `least` (queries, 1), then those equal to it by lot."""
    depth, rounding = found.shape[1], _ROUNDING * np.abs(least)
    blocks = [(rows, queries @ block.T) for rows, block in store.blocks()]
    every, products = np.concatenate([rows for rows, _ in blocks]), np.hstack([some for _, some in blocks])
    lots = np.broadcast_to(scattered(every).astype(np.uint64) + np.uint64(1 << 32), products.shape)
    keys = np.where(products > least + rounding, np.uint64(0), np.where(products >= least - rounding, lots, _OUT))
    chosen = np.argpartition(keys, depth - 1)[:, :depth]
    is_whole = (np.take_along_axis(keys, chosen, 1) < _OUT).all(axis=1, keepdims=True)
    return np.where(is_whole, every[chosen], found)

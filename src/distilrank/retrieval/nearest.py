"""Exact search: the highest inner products with all stored vectors, block by block, on a card where there is one."""

import numpy as np
import numpy.typing as npt
import torch

from distilrank.data.ragged import Rows
from distilrank.rankers.device import chosen_device
from distilrank.retrieval.drawn import drawn_at_the_cut
from distilrank.retrieval.vector_store import VectorStore
from distilrank.retrieval.vectors import Vectors

Found = tuple[npt.NDArray[np.float32], Rows]


def nearest(store: VectorStore, queries: Vectors, depth: int) -> Rows:
    """The rows (queries, depth) of the highest products, best first; ties that the cut parts go by lot."""
    # One more than asked for shows whether the cut parts passages that tie.
    deep = min(depth + 1, len(store))
    device = chosen_device()
    best: Found = (np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64))
    for first, block in store.blocks():
        scores, rows = _in_block(block, queries, min(deep, len(block)), device)
        best = _best((np.hstack([best[0], scores]), np.hstack([best[1], rows + first])), deep)
    return drawn_at_the_cut(store, queries, best[1], best[0]) if deep > depth else best[1]


def _in_block(block: Vectors, queries: Vectors, depth: int, device: torch.device) -> Found:
    if device.type == "cuda":
        products = torch.tensor(queries, device=device) @ torch.tensor(block, device=device).T
        found = products.topk(depth)
        return found.values.cpu().numpy(), found.indices.cpu().numpy()
    import faiss

    scores, rows = faiss.knn(queries, block, depth, metric=faiss.METRIC_INNER_PRODUCT)
    return scores, rows


def _best(found: Found, depth: int) -> Found:
    """The best `depth` of what several blocks have, best first; of those that tie, the first rows."""
    scores, rows = found
    order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)

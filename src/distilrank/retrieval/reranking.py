"""Re-ranking with passages that were encoded beforehand, as a ranker with an index answers queries."""

import numpy as np
import polars as pl
import torch

from distilrank.rankers.base import Encoded, Ranker
from distilrank.rankers.encoded_texts import interactions
from distilrank.rankers.precision import autocast, float32_products
from distilrank.retrieval.encodings import Encodings
from distilrank.retrieval.passage_store import PassageStore
from distilrank.retrieval.vector_store import VectorStore
from distilrank.retrieval.vectors import Vectors
from distilrank.sections.precision import Precision

# Padded entries of a batch whose encodings meet in products; what a transformer reads is smaller on a processor.
_ENTRIES_AT_ONCE = 16_384
# Numbers of passage vectors that are copied at once.
_AT_ONCE = 1 << 24


def rerank_from_store(
    ranker: Ranker,
    query_ids: pl.Series,
    queries: Encodings,
    store: PassageStore,
    candidates: pl.DataFrame,
    precision: Precision = "float32",
) -> pl.DataFrame:
    """A run: the candidates (query_id, passage_id), scored from a passage store. `query_ids` ascend, as do `queries`.

    `precision` is that of the matrix products. Raises MissingInput for a passage that is not stored.
    """
    query_rows = query_ids.search_sorted(candidates["query_id"]).to_numpy().astype(np.int64)
    passage_rows = store.rows(candidates["passage_id"])
    budget = None if ranker.params.reads_pairs else _ENTRIES_AT_ONCE
    scores = interactions(ranker, queries, query_rows, store, passage_rows, precision, budget)
    return candidates.select("query_id", "passage_id", score=pl.Series(scores.astype(np.float64)))


@torch.inference_mode()
def rerank_stored(
    ranker: Ranker,
    query_ids: pl.Series,
    query_vectors: Vectors,
    store: VectorStore,
    candidates: pl.DataFrame,
    precision: Precision = "float32",
) -> pl.DataFrame:
    """A run: the candidates (query_id, passage_id), scored by stored vectors. `query_ids` ascend, with one vector each.

    `precision` is that of the matrix products.
    """
    scores = np.empty(len(candidates), np.float64)
    step = max(1, _AT_ONCE // max(1, query_vectors.shape[1]))
    for start in range(0, len(candidates), step):
        some = candidates[start : start + step]
        queries = query_vectors[query_ids.search_sorted(some["query_id"]).to_numpy()]
        passages = store.vectors_of(some["passage_id"])
        with float32_products(precision, ranker.device), autocast(precision, ranker.device):
            scored = ranker.interact(_encoded(queries, ranker.device), _encoded(passages, ranker.device))
        scores[start : start + step] = scored.cpu().numpy()
    return candidates.select("query_id", "passage_id", score=pl.Series(scores))


def _encoded(vectors: Vectors, device: torch.device) -> Encoded:
    values = torch.from_numpy(vectors).unsqueeze(1).to(device)
    return Encoded(values, torch.ones(values.shape[:2], dtype=torch.bool, device=device))

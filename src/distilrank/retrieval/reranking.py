"""Re-ranking with passages that were encoded before: as a ranker with an index answers queries."""

import numpy as np
import polars as pl
import torch

from distilrank.rankers.base import Encoded, Ranker
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.vectors import Vectors

# Numbers of passage vectors that are copied at once.
_AT_ONCE = 1 << 24


@torch.inference_mode()
def rerank_stored(
    ranker: Ranker, query_ids: pl.Series, query_vectors: Vectors, index: DenseIndex, candidates: pl.DataFrame
) -> pl.DataFrame:
    """A run: the candidates (query_id, passage_id), scored from the index; `query_ids` ascend, one vector each."""
    scores = np.empty(len(candidates), np.float64)
    step = max(1, _AT_ONCE // max(1, query_vectors.shape[1]))
    for start in range(0, len(candidates), step):
        some = candidates[start : start + step]
        queries = query_vectors[query_ids.search_sorted(some["query_id"]).to_numpy()]
        passages = index.vectors(some["passage_id"])
        scored = ranker.interact(_encoded(queries, ranker.device), _encoded(passages, ranker.device))
        scores[start : start + step] = scored.cpu().numpy()
    return candidates.select("query_id", "passage_id", score=pl.Series(scores))


def _encoded(vectors: Vectors, device: torch.device) -> Encoded:
    values = torch.from_numpy(vectors).unsqueeze(1).to(device)
    return Encoded(values, torch.ones(values.shape[:2], dtype=torch.bool, device=device))

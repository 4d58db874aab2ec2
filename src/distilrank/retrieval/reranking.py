"""Re-ranking with passages that were encoded before: as a ranker with an index answers queries."""

import numpy as np
import polars as pl
import torch

from distilrank.rankers.base import Encoded, Ranker
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.vectors import Vectors


@torch.inference_mode()
def rerank_stored(
    ranker: Ranker, query_ids: pl.Series, query_vectors: Vectors, index: DenseIndex, candidates: pl.DataFrame
) -> pl.DataFrame:
    """A run: the candidates (query_id, passage_id), scored from the index; `query_ids` ascend, one vector each."""
    rows = query_ids.search_sorted(candidates["query_id"]).to_numpy()
    queries = _encoded(query_vectors[rows], ranker.device)
    passages = _encoded(index.vectors(candidates["passage_id"]), ranker.device)
    scores = ranker.interact(queries, passages).cpu().numpy().astype(np.float64)
    return candidates.select("query_id", "passage_id", score=pl.Series(scores))


def _encoded(vectors: Vectors, device: torch.device) -> Encoded:
    values = torch.from_numpy(vectors).unsqueeze(1).to(device)
    return Encoded(values, torch.ones(values.shape[:2], dtype=torch.bool, device=device))

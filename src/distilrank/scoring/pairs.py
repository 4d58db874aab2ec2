"""Scores of query-passage pairs by any ranker."""

import numpy as np
import polars as pl
import torch

from distilrank.data.batches import batches_by_length
from distilrank.data.tokens import Rows, TokenStore
from distilrank.progress import Advance
from distilrank.rankers.base import SPECIAL_TOKENS, Ranker
from distilrank.rankers.device import tokens_per_batch
from distilrank.rankers.inputs import stored_batch
from distilrank.scoring.store import Scores


@torch.inference_mode()
def score_pairs(
    ranker: Ranker, tokens: TokenStore, query_rows: Rows, passage_rows: Rows, advance: Advance = lambda _: None
) -> Scores:
    """Raw scores (pairs,) of query i with passage i, in batches of pairs of like length."""
    scores = np.empty(len(query_rows), np.float32)
    lengths = tokens.queries.lengths(query_rows) + tokens.passages.lengths(passage_rows) + SPECIAL_TOKENS
    pad = tokens.special_tokens.pad
    for batch in batches_by_length(lengths, tokens_per_batch(ranker.device)):
        queries = stored_batch(tokens.queries, query_rows[batch], pad).to(ranker.device)
        passages = stored_batch(tokens.passages, passage_rows[batch], pad).to(ranker.device)
        scores[batch] = ranker(queries, passages).cpu().numpy()
        advance(len(batch))
    return scores


def rerank(
    ranker: Ranker, tokens: TokenStore, candidates: pl.DataFrame, advance: Advance = lambda _: None
) -> pl.DataFrame:
    """A run: the candidates (query_id, passage_id) with the ranker's scores."""
    scores = score_pairs(
        ranker,
        tokens,
        tokens.query_rows(candidates["query_id"]),
        tokens.passage_rows(candidates["passage_id"]),
        advance,
    )
    return candidates.select("query_id", "passage_id", score=pl.Series(scores.astype(np.float64)))

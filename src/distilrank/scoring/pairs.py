"""Scores of query-passage pairs by any ranker."""

from typing import NamedTuple

import numpy as np
import polars as pl
import torch

from distilrank.data.tokens import Rows, TokenStore
from distilrank.progress import Advance
from distilrank.rankers.base import SPECIAL_TOKENS, Ranker
from distilrank.rankers.inference import each_batch
from distilrank.rankers.inputs import stored_batch
from distilrank.scoring.scores import Scores


class PairScores(NamedTuple):
    """Raw scores (pairs,), and the tokens, real and padded, that the ranker read for them."""

    scores: Scores
    tokens: int
    padded_tokens: int


def score_pairs(
    ranker: Ranker,
    tokens: TokenStore,
    pairs: pl.DataFrame,
    precision: str = "float32",
    budget: int | None = None,
    advance: Advance = lambda _: None,
) -> PairScores:
    """Scores of `pairs` (query_id, passage_id), in their order, in batches of at most `budget` padded tokens.

    `precision` is that of the matrix products, float32 or bfloat16; scores are made in float32 all the same.
    """
    query_rows, passage_rows = tokens.query_rows(pairs["query_id"]), tokens.passage_rows(pairs["passage_id"])
    lengths = tokens.queries.lengths(query_rows) + tokens.passages.lengths(passage_rows) + SPECIAL_TOKENS
    pad, device = tokens.special_tokens.pad, ranker.device

    def score(batch: Rows) -> Scores:
        queries = stored_batch(tokens.queries, query_rows[batch], pad).to(device)
        passages = stored_batch(tokens.passages, passage_rows[batch], pad).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            scored: Scores = ranker(queries, passages).cpu().numpy()
        return scored

    scores = np.empty(len(pairs), np.float32)
    padded = 0
    for batch, scored in each_batch(lengths, score, device, budget):
        scores[batch] = scored
        padded += int(lengths[batch].max()) * len(batch)
        advance(len(batch))
    return PairScores(scores, int(lengths.sum()), padded)


def rerank(
    ranker: Ranker, tokens: TokenStore, candidates: pl.DataFrame, advance: Advance = lambda _: None
) -> pl.DataFrame:
    """A run: the candidates (query_id, passage_id) with the ranker's scores."""
    scores = score_pairs(ranker, tokens, candidates, advance=advance).scores
    return candidates.select("query_id", "passage_id", score=pl.Series(scores.astype(np.float64)))

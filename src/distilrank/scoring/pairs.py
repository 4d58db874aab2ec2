"""Scores pairs of queries and passages by their ids."""

import numpy as np
import polars as pl

from distilrank.data.tokens import TokenStore
from distilrank.progress import Advance
from distilrank.rankers.base import Ranker
from distilrank.rankers.pair_scores import PairScores, StoredPairs, pair_scores
from distilrank.sections.precision import Precision


def score_pairs(
    ranker: Ranker,
    tokens: TokenStore,
    pairs: pl.DataFrame,
    precision: Precision = "float32",
    budget: int | None = None,
    advance: Advance = lambda _: None,
) -> PairScores:
    """Scores `pairs` (query_id, passage_id), in their order, in batches of at most `budget` padded tokens.

    `precision` is that of the matrix products. Scores are always computed in float32.
    """
    rows = (tokens.query_rows(pairs["query_id"]), tokens.passage_rows(pairs["passage_id"]))
    stored = StoredPairs(tokens.texts, *rows)
    return pair_scores(ranker, stored, precision, budget, advance)


def rerank(
    ranker: Ranker,
    tokens: TokenStore,
    candidates: pl.DataFrame,
    precision: Precision = "float32",
    advance: Advance = lambda _: None,
) -> pl.DataFrame:
    """A run: the candidates (query_id, passage_id) with the ranker's scores."""
    scores = score_pairs(ranker, tokens, candidates, precision, advance=advance).scores
    return candidates.select("query_id", "passage_id", score=pl.Series(scores.astype(np.float64)))

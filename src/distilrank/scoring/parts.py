"""A scorer's work in parts: what a worker receives, and what it returns."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from distilrank.data.tokens import TokenStore
from distilrank.rankers.inference import tokens_per_batch
from distilrank.rankers.loading import load_ranker
from distilrank.scoring.pairs import score_pairs
from distilrank.scoring.scores import Scores
from distilrank.sections.precision import Precision


@dataclass(frozen=True)
class PairsToScore:
    """Pairs (query_id, passage_id), the tokens of their texts only, and how to score them. The result has the same
    `name`."""

    name: str
    pairs: pl.DataFrame
    tokens: TokenStore
    precision: Precision
    tokens_per_batch: int | None

    @classmethod
    def cut(
        cls, name: str, pairs: pl.DataFrame, tokens: TokenStore, precision: Precision, budget: int | None
    ) -> "PairsToScore":
        """A part with only those of the `tokens` that its pairs need."""
        return cls(name, pairs, tokens.subset(pairs["query_id"], pairs["passage_id"]), precision, budget)


@dataclass(frozen=True)
class ScoredPairs:
    """A part's pairs with their scores (pairs,), the tokens that were read for them, the worker's seconds, and how many
    padded tokens its batches held at most."""

    name: str
    pairs: pl.DataFrame
    scores: Scores
    tokens: int
    padded_tokens: int
    seconds: float
    tokens_per_batch: int


def begin_scoring(model: Path) -> Callable[[PairsToScore], ScoredPairs]:
    """Loads the ranker in `model`, and gives a function that scores parts with it."""
    ranker = load_ranker(model)

    def score(part: PairsToScore) -> ScoredPairs:
        began = time.perf_counter()
        budget = part.tokens_per_batch or tokens_per_batch(ranker.device)
        scored = score_pairs(ranker, part.tokens, part.pairs, part.precision, budget)
        return ScoredPairs(part.name, part.pairs, *scored, time.perf_counter() - began, budget)

    return score

"""Triples of queries without qrels: a teacher's scores decide which of their candidates are relevant."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from distilrank.data.query_ranges import QueryRange
from distilrank.sections.data import Unlabelled


@dataclass(frozen=True)
class Thresholds:
    """The score from which a passage counts as relevant, and the score up to which it does not."""

    positive_from: float
    negative_to: float

    @classmethod
    def of(cls, labels: pl.LazyFrame, params: Unlabelled) -> Self:
        """The thresholds that give the asked shares of the labelled positives and negatives, as the same teacher scores
        them."""
        positive = labels.select(pl.col("positive_score").quantile(1 - params.positive_from))
        negative = labels.select(pl.col("negative_scores").explode().quantile(params.negative_to))
        return cls(*(one.collect(engine="streaming").item() for one in (positive, negative)))


def triples_from_scores(
    scores: pl.DataFrame,
    thresholds: Thresholds,
    params: Unlabelled,
    negatives: int,
    clicks: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Labels of each query's best passages that count as relevant, at most `triples` of them, with `negatives` each.

    `scores` has the columns query_id, passage_id, score. For a query with `clicks` (query_id, passage_id), a passage
    counts if it was clicked and scores too high for a negative. For other queries it counts if it scores like a
    positive. No passage is a negative twice. Where a query has too few negatives for all of its positives, the best
    positives get theirs first. Each positive scores higher than its negatives.
    """
    lots = pl.Series("lot", np.random.default_rng(params.seed).permutation(len(scores)))
    ordered = scores.sort("query_id", "passage_id").with_columns(lots)
    score = pl.col("score")
    positives = (
        _relevant(ordered, thresholds, clicks)
        .sort("query_id", "score", "passage_id", descending=[False, True, True])
        .with_columns(number=pl.int_range(pl.len()).over("query_id"))
        .filter(pl.col("number") < params.triples)
        .select("query_id", "number", positive_id="passage_id", positive_score="score")
    )
    lowest = positives.group_by("query_id").agg(lowest=pl.col("positive_score").min())
    drawn = (
        ordered.join(lowest, on="query_id")
        .filter((score <= thresholds.negative_to) & (score < pl.col("lowest")))
        .sort("query_id", "lot")
    )
    group = (pl.int_range(pl.len()) // negatives).over("query_id").alias("number")
    groups = drawn.group_by("query_id", group, maintain_order=True).agg(
        negative_ids="passage_id", negative_scores="score"
    )
    whole = groups.filter(pl.col("negative_ids").list.len() == negatives)
    joined = positives.join(whole, on=["query_id", "number"], maintain_order="left")
    return joined.select("query_id", "positive_id", "negative_ids", "positive_score", "negative_scores")


def _relevant(scores: pl.DataFrame, thresholds: Thresholds, clicks: pl.DataFrame | None) -> pl.DataFrame:
    like_a_positive = scores.filter(pl.col("score") >= thresholds.positive_from)
    if clicks is None:
        return like_a_positive
    clicked = scores.join(clicks, on=["query_id", "passage_id"], how="semi")
    believed = clicked.filter(pl.col("score") > thresholds.negative_to)
    return pl.concat([believed, like_a_positive.join(clicks, on="query_id", how="anti")])


def unlabelled_pieces(
    ranges: list[QueryRange],
    candidates: pl.LazyFrame,
    scores_of_range: Callable[[QueryRange], pl.DataFrame],
    thresholds: Thresholds,
    params: Unlabelled,
    negatives: int,
    clicks: pl.DataFrame | None = None,
) -> Iterator[pl.DataFrame]:
    """The labels of the queries of `candidates` (query_id, ...), one range of queries at a time."""
    for queries in ranges:
        some = queries.of(candidates).select("query_id").unique().collect()
        scores = scores_of_range(queries).join(some, on="query_id", how="semi")
        yield triples_from_scores(scores, thresholds, params, negatives, clicks)

"""Ensembles: the scores of several teachers as one teacher's."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from distilrank.errors import ScoreError
from distilrank.scoring.scores import KEY


class Scale(NamedTuple):
    """Mean and standard deviation of a teacher's scores."""

    mean: float
    deviation: float


def scale_of(name: str, scores: pl.LazyFrame) -> Scale:
    """Of all scores of a member. Raises ScoreError where they all tie, so that there is nothing to normalise by."""
    # Summed in one order, whatever the number of threads: the same scores give the same bytes.
    every = scores.select("score").collect()["score"].to_numpy().astype(np.float64)
    scale = Scale(float(every.mean()), float(every.std(ddof=1)))
    if not scale.deviation:
        raise ScoreError(
            f"ensemble member {name}",
            got="scores that all tie",
            expected="scores that tell passages apart, to normalise them",
            remedy="train it again, or combine by mean",
        )
    return scale


def combine(members: Mapping[str, pl.DataFrame], how: str, scales: Mapping[str, Scale]) -> pl.DataFrame:
    """One score a pair (query_id, passage_id, score float32) from each member's, by Ensemble.combine's `how`.

    `mean` and `median` take raw scores, as the paper's T2 (arXiv 2010.02666); `z-mean` first brings each member's to
    mean 0 and standard deviation 1 by its scale, which only this needs. Raises ScoreError where members have not scored
    the same pairs.
    """
    pairs = pl.concat([scores.select(KEY) for scores in members.values()]).unique().sort(KEY)
    for name, scores in members.items():
        _check_same(name, scores, pairs)
    joined = pairs
    columns = [f"member {number}" for number in range(len(members))]
    for column, (name, scores) in zip(columns, members.items(), strict=True):
        mean, deviation = scales[name] if how == "z-mean" else Scale(0.0, 1.0)
        own = (scores["score"].cast(pl.Float64) - mean) / deviation
        joined = joined.join(scores.select(*KEY, own.alias(column)), on=KEY, how="left", maintain_order="left")
    every = pl.concat_list(columns)
    combined = every.list.median() if how == "median" else every.list.mean()
    return joined.select(*KEY, score=combined.cast(pl.Float32))


def _check_same(name: str, scores: pl.DataFrame, pairs: pl.DataFrame) -> None:
    if missing := len(pairs.join(scores, on=KEY, how="anti")):
        raise ScoreError(
            f"ensemble member {name}",
            got=f"{missing} of {len(pairs)} pairs without a score",
            expected="a score for every pair that another member has scored",
            remedy=f"build its scores again: dvc repro --force score@{name}",
        )
    if len(scores) > len(pairs):
        raise ScoreError(
            f"ensemble member {name}",
            got=f"{len(scores)} scores for {len(pairs)} pairs",
            expected="one score a pair",
            remedy=f"build its scores again: dvc repro --force score@{name}",
        )

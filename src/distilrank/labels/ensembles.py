"""Ensembles: the scores of several teachers combined as one teacher's."""

from collections.abc import Mapping
from typing import Literal

import polars as pl

from distilrank.errors import ScoreError
from distilrank.scoring.scores import KEY


def combine(
    members: Mapping[str, pl.DataFrame],
    how: Literal["mean", "median"],
    scales: Mapping[str, pl.Expr],
    weights: Mapping[str, float] | None = None,
) -> pl.DataFrame:
    """One score per pair (query_id, passage_id, score float32) from the members' scores, each brought to its scale.

    The paper's T2 (arXiv 2010.02666) is the mean of raw scores. With `weights`, by member, it is the weighted mean.
    Raises ScoreError if members have not scored the same pairs.
    """
    pairs = pl.concat([scores.select(KEY) for scores in members.values()]).unique().sort(KEY)
    for name, scores in members.items():
        _check_same(name, scores, pairs)
    joined = pairs
    columns = [f"member {number}" for number in range(len(members))]
    for column, (name, scores) in zip(columns, members.items(), strict=True):
        own = scores.select(*KEY, scales[name].alias(column))
        joined = joined.join(own, on=KEY, how="left", maintain_order="left")
    every = pl.concat_list(columns)
    combined = every.list.median() if how == "median" else every.list.mean()
    if weights:
        counted = [pl.col(column) * weights[name] for column, name in zip(columns, members, strict=True)]
        combined = pl.sum_horizontal(counted) / sum(weights.values())
    return joined.select(*KEY, score=combined.cast(pl.Float32))


def _check_same(name: str, scores: pl.DataFrame, pairs: pl.DataFrame) -> None:
    if missing := len(pairs.join(scores, on=KEY, how="anti")):
        raise ScoreError(
            f"ensemble member {name}",
            got=f"{missing} of {len(pairs)} pairs without a score",
            expected="a score for every pair that another member has scored",
            remedy="build its scores again: delete its directory below scores/, then dvc repro",
        )
    if len(scores) > len(pairs):
        raise ScoreError(
            f"ensemble member {name}",
            got=f"{len(scores)} scores for {len(pairs)} pairs",
            expected="one score per pair",
            remedy="build its scores again: delete its directory below scores/, then dvc repro",
        )

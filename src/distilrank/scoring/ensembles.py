"""Ensembles: the scores of several teachers as one teacher's."""

from collections.abc import Mapping

import polars as pl

from distilrank.errors import ScoreError
from distilrank.scoring.store import KEY


def combine(members: Mapping[str, pl.DataFrame], how: str) -> pl.DataFrame:
    """One score a pair (query_id, passage_id, score float32) from each member's, by Ensemble.combine's `how`.

    `mean` and `median` take raw scores, as the paper's T2 (arXiv 2010.02666); `z-mean` first gives each
    member's scores mean 0 and standard deviation 1 over all pairs. Raises ScoreError where members have not scored
    the same pairs, or where all scores of a member to normalise tie.
    """
    pairs = pl.concat([scores.select(KEY) for scores in members.values()]).unique().sort(KEY)
    for name, scores in members.items():
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
    joined = pairs
    columns = [f"member {number}" for number in range(len(members))]
    for column, (name, scores) in zip(columns, members.items(), strict=True):
        own = _normalised(name, scores["score"]) if how == "z-mean" else scores["score"].cast(pl.Float64)
        joined = joined.join(scores.select(*KEY, own.alias(column)), on=KEY, how="left", maintain_order="left")
    every = pl.concat_list(columns)
    combined = every.list.median() if how == "median" else every.list.mean()
    return joined.select(*KEY, score=combined.cast(pl.Float32))


def _normalised(name: str, scores: pl.Series) -> pl.Series:
    scores = scores.cast(pl.Float64)
    deviation = scores.std()
    if not deviation:
        raise ScoreError(
            f"ensemble member {name}",
            got="scores that all tie",
            expected="scores that tell passages apart, to normalise them",
            remedy="train it again, or combine by mean",
        )
    return (scores - scores.mean()) / deviation

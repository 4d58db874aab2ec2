"""Scales, to which a teacher's scores are brought, so that several teachers can be combined, or learned from alike."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from distilrank.errors import ScoreError
from distilrank.sections.labels import ScaleRule

_SCORE = pl.col("score").cast(pl.Float64)
# A single passage gets 0.5, as passages do that all tie.
_SHARE_BELOW = ((_SCORE.rank("average") - 1) / (pl.len() - 1)).fill_nan(0.5).over("query_id")


def scale_of(name: str, rule: ScaleRule, scores: Iterable[pl.DataFrame]) -> pl.Expr:
    """The scaled `score` of a table (query_id, passage_id, score) that holds each pair once, and every query as a
    whole.

    z and min-max look at all `scores` of the teacher `name`, which come some at a time. The other scales do not. Raises
    ScoreError if all scores are equal, which leaves no unit of measure.
    """
    if rule == "none":
        return _SCORE
    if rule == "rank":
        return _SHARE_BELOW
    # Summed in one order, whatever the number of threads, so that the same scores give the same bytes.
    every = np.concatenate([some["score"].to_numpy() for some in scores]).astype(np.float64)
    zero = every.mean() if rule == "z" else every.min()
    unit = every.std(ddof=1) if rule == "z" else every.max() - zero
    if not unit > 0:
        raise ScoreError(
            f"scores of {name}",
            got="scores that are all equal",
            expected=f"different scores, to which the scale {rule} can be fitted",
            remedy="train the teacher again, or set its scale to none",
        )
    return (_SCORE - float(zero)) / float(unit)

"""Functions of runs: runs joined into one, and runs whose first passages a ranker re-ranked.

A run is a table (query_id, passage_id, score) that holds each pair once. The results have scores that tell their order.
Ties are ordered as in `data/ties.py`.
"""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from distilrank.data.runs import RUN_SCHEMA, ranked
from distilrank.data.ties import apart
from distilrank.sections.systems import FusionScale

_KEY = ["query_id", "passage_id"]
_SCORE = pl.col("score")
_OTHERS = pl.len().over("query_id") - 1
# By query. Where all scores tie, none of them says anything.
_SCALES: dict[FusionScale, pl.Expr] = {
    "min-max": (_SCORE - _SCORE.min().over("query_id")) / (_SCORE.max() - _SCORE.min()).over("query_id"),
    "z": (_SCORE - _SCORE.mean().over("query_id")) / _SCORE.std(ddof=0).over("query_id"),
    "rank": (_SCORE.rank("average").over("query_id") - 1) / _OTHERS,
    "none": _SCORE,
}


def reciprocal_rank_fusion(runs: Sequence[pl.DataFrame], k: float) -> pl.DataFrame:
    """Each passage's sum of 1 / (k + rank) over the runs that have it.

    Cormack, Clarke and Büttcher, SIGIR 2009, section 2, where k is 60. Raises ScoreError.
    """
    return _summed(ranked(run).select(*_KEY, score=1 / (k + pl.col("rank"))) for run in runs)


def weighted_sum(runs: Mapping[str, pl.DataFrame], weights: Mapping[str, float], scale: FusionScale) -> pl.DataFrame:
    """Each passage's sum of weight times scaled score, of the members' runs.

    A passage that a run lacks for a query counts as the last one that it has. So min-max makes that 0, as Bruch et al.
    do (ACM TOIS 2023, arXiv 2210.11934, section 4).
    """
    scaled = {member: run.select(*_KEY, score=_SCALES[scale].fill_nan(0.0)) for member, run in runs.items()}
    every = pl.concat(run.select(_KEY) for run in scaled.values()).unique()
    return _summed(
        _with_absent(run, every).with_columns(score=_SCORE * weights[member]) for member, run in scaled.items()
    )


def reranked_first(reranked: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    """The re-ranked passages by their own scores, then the rest of the first stage's passages in its order.

    The scores of the rest fall from the lowest of the others, each by the least step of a float32.
    """
    rest = ranked(first).join(reranked, on=_KEY, how="anti", maintain_order="left")
    lowest = reranked.group_by("query_id").agg(lowest=_SCORE.min())
    behind = rest.join(lowest, on="query_id", how="left", maintain_order="left")
    behind = behind.select(*_KEY, score=pl.coalesce("lowest", "score"))
    parts = [ranked(reranked).select(list(RUN_SCHEMA)), behind]
    together = pl.concat(part.with_columns(part=pl.lit(number)) for number, part in enumerate(parts))
    # The sort is stable: within each part the order stays.
    return apart(together.sort("query_id", "part", maintain_order=True).drop("part"))


def _summed(runs: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The sum, in the order of the runs, so that the same scores give the same bytes."""
    sums = pl.concat(runs).group_by(_KEY, maintain_order=True).agg(_SCORE.sum())
    return sums.sort(_KEY).select(list(RUN_SCHEMA))


def _with_absent(run: pl.DataFrame, every: pl.DataFrame) -> pl.DataFrame:
    lowest = run.group_by("query_id").agg(lowest=_SCORE.min())
    filled = every.join(run, on=_KEY, how="left").join(lowest, on="query_id", how="left")
    return filled.select(*_KEY, score=pl.coalesce("score", "lowest", 0.0))

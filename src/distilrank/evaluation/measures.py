"""Effectiveness, measured by trec_eval's own code through ir-measures."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from distilrank.data.runs import ranked
from distilrank.sections.measures import DEFAULT_MEASURES, as_computed, cutoff_of, measure_named

Means = dict[str, dict[str, dict[str, float]]]  # task -> ranker -> measure -> mean


def measure(
    run: pl.DataFrame,
    qrels: pl.DataFrame,
    minimum_relevance: int = 1,
    measures: Sequence[str] = DEFAULT_MEASURES,
) -> pl.DataFrame:
    """Each measure for each query of the qrels: (query_id, measure, value), in the order of `measures`.

    `minimum_relevance` is the lowest grade that counts as relevant, for measures that name no `rel`; nDCG uses all
    grades. A query without results has 0. Raises ScoreError if a score is not finite, ValueError if a name is not a
    measure, and CollectionError for a grade that a measure cannot take.
    """
    import ir_measures

    grades = qrels["relevance"].unique().to_list()
    wanted = {name: as_computed(measure_named(name), minimum_relevance, grades) for name in measures}
    # Ranks in place of scores, so that trec_eval does not break ties in its own way.
    scores = ranked(run).with_columns(score=-pl.col("rank"))
    judged, scored = _nested(qrels, "relevance"), _nested(scores, "score")
    values = [
        (metric.query_id, str(metric.measure), metric.value)
        for metric in ir_measures.iter_calc(list(wanted.values()), judged, scored)
    ]
    computed = pl.DataFrame(
        values, schema={"query_id": pl.String, "computed": pl.String, "value": pl.Float64}, orient="row"
    )
    names = pl.DataFrame({"measure": list(wanted), "computed": [str(one) for one in wanted.values()]})
    every = qrels.select("query_id").unique().sort("query_id").join(names, how="cross", maintain_order="left_right")
    found = every.join(computed, on=["query_id", "computed"], how="left", maintain_order="left")
    return found.select("query_id", "measure", _cut_reciprocal_rank(measures))


def means(values: pl.DataFrame) -> dict[str, float]:
    """The mean of each measure over the queries, in the table's order."""
    return dict(values.group_by("measure", maintain_order=True).agg(pl.col("value").mean()).iter_rows())


def means_by_task(measures: pl.DataFrame) -> Means:
    """The means by task, ranker and measure of the table (ranker, task, query_id, measure, value), in its order."""
    found: Means = {}
    for (task, ranker), rows in measures.group_by("task", "ranker", maintain_order=True):
        found.setdefault(str(task), {})[str(ranker)] = means(rows)
    return found


def _cut_reciprocal_rank(measures: Sequence[str]) -> pl.Expr:
    """Cuts the reciprocal rank off, because trec_eval has no cut-off for it."""
    cut = {name: 1 / cutoff_of(name, 1) for name in measures if measure_named(name).NAME == "RR" and "@" in name}
    least = pl.col("measure").replace_strict(cut, default=0.0, return_dtype=pl.Float64)
    value = pl.col("value").fill_null(0.0)
    return pl.when(value < least).then(0.0).otherwise(value).alias("value")


def _nested(table: pl.DataFrame, value: str) -> dict[str, dict[str, Any]]:
    nested: dict[str, dict[str, Any]] = {}
    for query_id, passage_id, number in table.select("query_id", "passage_id", value).iter_rows():
        nested.setdefault(query_id, {})[passage_id] = number
    return nested

"""Effectiveness, by trec_eval's own code through ir-measures."""

from typing import Any

import ir_measures
import polars as pl

from distilrank.data.runs import SCORE, finite
from distilrank.sections.measuring import MEASURES

Means = dict[str, dict[str, dict[str, float]]]  # task -> ranker -> measure -> mean


def measure(run: pl.DataFrame, qrels: pl.DataFrame, minimum_relevance: int = 1) -> pl.DataFrame:
    """Each measure for each query of the qrels: (query_id, measure, value).

    nDCG uses all grades; the others count passages of at least `minimum_relevance`. A query without results has 0.
    Raises ScoreError where a score is not finite.
    """
    scores = finite(run).with_columns(SCORE)
    wanted = _trec_measures(minimum_relevance)
    values = [
        (metric.query_id, wanted[metric.measure], metric.value)
        for metric in ir_measures.pytrec_eval.iter_calc(
            list(wanted), _nested(qrels, "relevance"), _nested(scores, "score")
        )
    ]
    table = pl.DataFrame(
        values, schema={"query_id": pl.String, "measure": pl.String, "value": pl.Float64}, orient="row"
    )
    every = qrels.select("query_id").unique().join(pl.DataFrame({"measure": MEASURES}), how="cross")
    complete = every.join(table, on=["query_id", "measure"], how="left").with_columns(pl.col("value").fill_null(0.0))
    return complete.with_columns(_cut_reciprocal_rank()).sort("query_id", "measure")


def means(values: pl.DataFrame) -> dict[str, float]:
    """The mean over the queries of each measure that there is, in the order of MEASURES."""
    by_measure = dict(values.group_by("measure").agg(pl.col("value").mean()).iter_rows())
    return {name: by_measure[name] for name in MEASURES if name in by_measure}


def means_by_task(measures: pl.DataFrame) -> Means:
    """Of the measures of several rankers (ranker, task, query_id, measure, value), in their order."""
    found: Means = {}
    for (task, ranker), rows in measures.group_by("task", "ranker", maintain_order=True):
        found.setdefault(str(task), {})[str(ranker)] = means(rows)
    return found


def _trec_measures(minimum_relevance: int) -> dict[ir_measures.Measure, str]:
    relevant = minimum_relevance
    return {
        ir_measures.nDCG @ 10: "nDCG@10",
        # trec_eval knows no cut-off for it: _cut_reciprocal_rank makes one.
        ir_measures.RR(rel=relevant): "MRR@10",
        ir_measures.AP(rel=relevant): "MAP",
        ir_measures.R(rel=relevant) @ 20: "Recall@20",
        ir_measures.R(rel=relevant) @ 100: "Recall@100",
        ir_measures.R(rel=relevant) @ 1000: "Recall@1000",
    }


def _cut_reciprocal_rank() -> pl.Expr:
    beyond = (pl.col("measure") == "MRR@10") & (pl.col("value") < 1 / 10)
    return pl.when(beyond).then(0.0).otherwise(pl.col("value")).alias("value")


def _nested(table: pl.DataFrame, value: str) -> dict[str, dict[str, Any]]:
    nested: dict[str, dict[str, Any]] = {}
    for query_id, passage_id, number in table.select("query_id", "passage_id", value).iter_rows():
        nested.setdefault(query_id, {})[passage_id] = number
    return nested

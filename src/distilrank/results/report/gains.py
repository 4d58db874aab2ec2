"""What teaching gained or cost each student, and whether chance alone would give it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import polars as pl

from distilrank.evaluation.significance import confidence_interval, holm, paired_p_value, randomised_p_value
from distilrank.results.report.inputs import ReportInputs

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Gain:
    """A taught student's mean less its control's, what it lies between at 95 %, and the p of two paired tests.

    The p-values are corrected for the number of comparisons in the same table, by Holm.
    """

    difference: float
    low: float
    high: float
    t_test: float
    randomisation: float

    @property
    def p_value(self) -> float:
        """The larger of both tests' p."""
        return max(self.t_test, self.randomisation)

    @property
    def verdict(self) -> Literal["gain", "loss", "unclear"]:
        if self.p_value >= SIGNIFICANT:
            return "unclear"
        return "gain" if self.difference > 0 else "loss"


# By ranker and measure.
Gains = dict[tuple[str, str], Gain]


@lru_cache(maxsize=16)  # page, summary and tables of one report ask for the same
def gains_in(inputs: ReportInputs, task: str) -> Gains:
    """The comparisons of a task's table: each taught student with its control, where both were measured."""
    measured = inputs.metrics[task]
    pairs = {
        (ranker.name, measure): _per_query(inputs, task, (ranker.name, ranker.control), measure)
        for ranker in inputs.rankers
        if ranker.control in measured and ranker.name in measured
        for measure in inputs.compared_by
    }
    columns = {
        compared: (values["taught"].to_numpy(), values["control"].to_numpy()) for compared, values in pairs.items()
    }
    t_tests = holm([paired_p_value(*both) for both in columns.values()])
    randomisations = holm([randomised_p_value(*both) for both in columns.values()])
    return {
        compared: Gain(float((taught - control).mean()), *confidence_interval(taught, control), t_test, randomisation)
        for (compared, (taught, control)), t_test, randomisation in zip(
            columns.items(), t_tests, randomisations, strict=True
        )
    }


def _per_query(inputs: ReportInputs, task: str, rankers: tuple[str, str | None], measure: str) -> pl.DataFrame:
    """The values of two rankers side by side, query by query: (query_id, taught, control)."""
    chosen = inputs.measures.filter(pl.col("task") == task, pl.col("measure") == measure)
    taught, control = (
        chosen.filter(pl.col("ranker") == ranker).select("query_id", pl.col("value").alias(role))
        for ranker, role in zip(rankers, ("taught", "control"), strict=True)
    )
    return taught.join(control, on="query_id", validate="1:1").sort("query_id")

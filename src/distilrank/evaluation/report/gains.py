"""What teaching gained a student, and whether chance alone would give it."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from distilrank.evaluation.report.inputs import ReportInputs
from distilrank.evaluation.report.rankers import ReportedRanker
from distilrank.evaluation.significance import paired_p_value

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Gain:
    """The difference of a taught student from its control in a measure's mean, and how likely chance alone gives it."""

    difference: float
    p_value: float

    @property
    def is_significant(self) -> bool:
        return self.p_value < SIGNIFICANT


def gain_over_control(inputs: ReportInputs, task: str, ranker: ReportedRanker, measure: str) -> Gain | None:
    """None for a ranker without a control, or where one of both was not measured."""
    measured = inputs.metrics[task]
    if ranker.control is None or ranker.name not in measured or ranker.control not in measured:
        return None
    taught, control = (_per_query(inputs, task, name, measure) for name in (ranker.name, ranker.control))
    pairs = taught.join(control, on="query_id", validate="1:1").sort("query_id")
    values, control_values = pairs["value"].to_numpy(), pairs["value_right"].to_numpy()
    return Gain(float(np.mean(values - control_values)), paired_p_value(values, control_values))


def _per_query(inputs: ReportInputs, task: str, ranker: str, measure: str) -> pl.DataFrame:
    return inputs.measures.filter(
        pl.col("ranker") == ranker, pl.col("task") == task, pl.col("measure") == measure
    ).select("query_id", "value")

"""The results in figures: the table, what teaching gained each student, and the headline."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import ttest_rel

from distilrank.evaluation.report.inputs import ReportInputs
from distilrank.evaluation.report.rankers import ReportedRanker

# The measure that students are compared by.
PRIMARY = "nDCG@10"


@dataclass(frozen=True)
class Gain:
    """The difference of a taught student from its control in mean nDCG@10, and how likely chance alone gives it."""

    difference: float
    p_value: float


@dataclass(frozen=True)
class Row:
    """One ranker's line of the tables: values and gain by task, none where there are none."""

    ranker: ReportedRanker
    values: dict[str, list[float]]
    gains: dict[str, Gain]
    milliseconds: float
    is_best_student: bool


@dataclass(frozen=True)
class Table:
    """Tasks with their measures, in the order of the metrics file, and a row a ranker."""

    tasks: dict[str, list[str]]
    rows: list[Row]


@dataclass(frozen=True)
class Headline:
    """The best teacher, the best student, and the best taught student with its gain; all by re-ranking nDCG@10."""

    teacher: str
    teacher_value: float
    student: str
    student_value: float
    taught: str
    control: str
    gains: dict[str, Gain]
    times_as_fast: float


def results_table(inputs: ReportInputs) -> Table:
    tasks = {task: _measures_of(by_ranker) for task, by_ranker in inputs.metrics.items()}
    best = _best(inputs, [ranker for ranker in inputs.rankers if ranker.is_student])
    rows = [
        Row(
            ranker,
            {task: _values(inputs, task, ranker, measures) for task, measures in tasks.items()},
            {task: gain for task in tasks if (gain := gain_over_control(inputs, task, ranker))},
            inputs.latency.milliseconds[ranker.name]["median"],
            ranker is best,
        )
        for ranker in inputs.rankers
    ]
    return Table(tasks, rows)


def headline(inputs: ReportInputs) -> Headline:
    teacher = _best(inputs, [ranker for ranker in inputs.rankers if ranker.role == "teacher"])
    student = _best(inputs, [ranker for ranker in inputs.rankers if ranker.is_student])
    taught = _best(inputs, [ranker for ranker in inputs.rankers if ranker.role == "taught"])
    gains = {task: gain for task in inputs.metrics if (gain := gain_over_control(inputs, task, taught))}
    median = {name: times["median"] for name, times in inputs.latency.milliseconds.items()}
    return Headline(
        teacher.name,
        effectiveness(inputs, teacher),
        student.name,
        effectiveness(inputs, student),
        taught.name,
        taught.control or "",
        gains,
        median[teacher.name] / median[student.name],
    )


def effectiveness(inputs: ReportInputs, ranker: ReportedRanker) -> float:
    """Mean nDCG@10 of re-ranking."""
    return inputs.metrics["rerank"][ranker.name][PRIMARY]


def gain_over_control(inputs: ReportInputs, task: str, ranker: ReportedRanker) -> Gain | None:
    """The gain of a taught student in a task; None for any other ranker, or where it was not measured."""
    if ranker.control is None or ranker.name not in inputs.metrics[task]:
        return None
    taught, control = (_per_query(inputs, task, name) for name in (ranker.name, ranker.control))
    pairs = taught.join(control, on="query_id").sort("query_id")
    values, control_values = pairs["value"].to_numpy(), pairs["value_right"].to_numpy()
    return Gain(float(np.mean(values - control_values)), paired_p_value(values, control_values))


def paired_p_value(values: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Of a two-sided paired t-test; 1 where there is no difference to test."""
    if len(values) < 2 or np.array_equal(values, others):
        return 1.0
    return float(ttest_rel(values, others).pvalue)


def _per_query(inputs: ReportInputs, task: str, ranker: str) -> pl.DataFrame:
    return inputs.measures.filter(
        pl.col("ranker") == ranker, pl.col("task") == task, pl.col("measure") == PRIMARY
    ).select("query_id", "value")


def _best(inputs: ReportInputs, rankers: list[ReportedRanker]) -> ReportedRanker:
    return max(rankers, key=lambda ranker: effectiveness(inputs, ranker))


def _values(inputs: ReportInputs, task: str, ranker: ReportedRanker, measures: list[str]) -> list[float]:
    known = inputs.metrics[task].get(ranker.name)
    return [known[measure] for measure in measures] if known else []


def _measures_of(by_ranker: dict[str, dict[str, float]]) -> list[str]:
    return list(dict.fromkeys(measure for values in by_ranker.values() for measure in values))

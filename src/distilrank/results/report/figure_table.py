"""Every figure of every ranker as tables outside the page, with the best figures and what teaching changed."""

from dataclasses import dataclass
from typing import Literal

from distilrank.config.derived import first_stage_of
from distilrank.evaluation.tasks import title_of
from distilrank.results.report.gains import gains_in
from distilrank.results.report.inputs import ReportInputs


@dataclass(frozen=True)
class Cell:
    """A mean, and its deviation if it is over seeds.

    `is_best` marks the best mean, unless all are alike. `verdict` is on its difference from the student's control, if
    there is one.
    """

    value: float
    deviation: float | None
    is_best: bool
    verdict: Literal["gain", "loss", "unclear"]


@dataclass(frozen=True)
class FigureTable:
    task: str
    title: str
    measures: list[str]
    rows: dict[str, list[Cell]]


def figure_tables(inputs: ReportInputs) -> list[FigureTable]:
    """A table per task, with a row per ranker in the report's order."""
    return [_table(inputs, task) for task in inputs.metrics]


def _table(inputs: ReportInputs, task: str) -> FigureTable:
    means, gains = inputs.metrics[task], gains_in(inputs, task)
    measures = list(dict.fromkeys(measure for values in means.values() for measure in values))
    known = {measure: [values[measure] for values in means.values() if measure in values] for measure in measures}

    def cell(ranker: str, measure: str) -> Cell:
        value, gain = means[ranker][measure], gains.get((ranker, measure))
        is_best = min(known[measure]) < value == max(known[measure])
        deviation = inputs.deviations[task].get(ranker, {}).get(measure)
        return Cell(value, deviation, is_best, gain.verdict if gain else "unclear")

    rows = {
        ranker.name: [cell(ranker.name, measure) for measure in measures]
        for ranker in inputs.rankers
        if ranker.name in means
    }
    return FigureTable(task, title_of(task, first_stage_of(inputs.params, task)), measures, rows)

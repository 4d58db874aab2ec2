"""Every measure of every ranker."""

from dataclasses import dataclass

from distilrank.results.differences import Difference
from distilrank.results.report.gains import Gains
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker


@dataclass(frozen=True)
class Row:
    """One ranker's line in the tables, by task: means, with deviations if they are over seeds, gains and time.

    What was not measured is left out.
    """

    ranker: ReportedRanker
    values: dict[str, list[tuple[float, float | None]]]
    gains: dict[str, Difference]
    milliseconds: dict[str, float]


@dataclass(frozen=True)
class Table:
    """Tasks with their measures, in the order of the metrics file, and a row per ranker."""

    tasks: dict[str, list[str]]
    rows: list[Row]


def results_table(inputs: ReportInputs, gains: dict[str, Gains]) -> Table:
    tasks = {task: _measures_of(by_ranker) for task, by_ranker in inputs.metrics.items()}
    times = {task: inputs.latency.served(inputs.params, task) for task in tasks}
    rows = [
        Row(
            ranker,
            {task: _values(inputs, task, ranker, measures) for task, measures in tasks.items()},
            {task: found[one] for task, found in gains.items() if (one := (ranker.name, inputs.measure)) in found},
            {task: medians[ranker.name] for task, medians in times.items() if ranker.name in medians},
        )
        for ranker in inputs.rankers
    ]
    return Table(tasks, rows)


def effectiveness(inputs: ReportInputs, ranker: ReportedRanker) -> float:
    """The mean of the primary measure in re-ranking the first test set."""
    return inputs.metrics[inputs.primary][ranker.name][inputs.measure]


def _values(
    inputs: ReportInputs, task: str, ranker: ReportedRanker, measures: list[str]
) -> list[tuple[float, float | None]]:
    known, deviations = (figures[task].get(ranker.name, {}) for figures in (inputs.metrics, inputs.deviations))
    return [(known[measure], deviations.get(measure)) for measure in measures] if known else []


def _measures_of(by_ranker: dict[str, dict[str, float]]) -> list[str]:
    return list(dict.fromkeys(measure for values in by_ranker.values() for measure in values))

"""The results in figures: every measure of every ranker, and the headline."""

from dataclasses import dataclass

from distilrank.evaluation.report.gains import Gain, gain_over_control
from distilrank.evaluation.report.inputs import ReportInputs
from distilrank.evaluation.report.rankers import ReportedRanker
from distilrank.evaluation.tasks import RERANK, RETRIEVE

# The measure that rankers are chosen by.
PRIMARY = "nDCG@10"


@dataclass(frozen=True)
class Row:
    """One ranker's line of the tables: values and gain by task, none where there are none."""

    ranker: ReportedRanker
    values: dict[str, list[float]]
    gains: dict[str, Gain]
    milliseconds: float | None
    is_best_student: bool


@dataclass(frozen=True)
class Table:
    """Tasks with their measures, in the order of the metrics file, and a row a ranker."""

    tasks: dict[str, list[str]]
    rows: list[Row]


@dataclass(frozen=True)
class Headline:
    """The best teacher, the best student, and the best taught student that has a control, if one has; all by re-ranking
    nDCG@10 on the first test set.

    `yardstick` is the teacher, or, where only scores were imported, what found the candidates.
    """

    yardstick: str
    yardstick_value: float
    student: str
    student_value: float
    taught: str | None
    control: str | None
    gain: Gain | None
    gain_in_search: Gain | None
    times_as_fast: float | None


def results_table(inputs: ReportInputs) -> Table:
    tasks = {task: _measures_of(by_ranker) for task, by_ranker in inputs.metrics.items()}
    best = _best(inputs, [ranker for ranker in inputs.rankers if ranker.is_student])
    rows = [
        Row(
            ranker,
            {task: _values(inputs, task, ranker, measures) for task, measures in tasks.items()},
            _gains(inputs, ranker),
            inputs.latency.median_of(ranker.name),
            ranker is best,
        )
        for ranker in inputs.rankers
    ]
    return Table(tasks, rows)


def headline(inputs: ReportInputs) -> Headline:
    teachers = [ranker for ranker in inputs.rankers if ranker.role == "teacher"]
    yardstick = _best(inputs, teachers or [ranker for ranker in inputs.rankers if ranker.role == "baseline"])
    student = _best(inputs, [ranker for ranker in inputs.rankers if ranker.is_student])
    compared = [ranker for ranker in inputs.rankers if ranker.control is not None]
    taught = _best(inputs, compared) if compared else None
    gains = _gains(inputs, taught) if taught else {}
    search = inputs.primary.removesuffix(RERANK) + RETRIEVE
    slow, fast = (inputs.latency.median_of(ranker.name) for ranker in (yardstick, student))
    return Headline(
        yardstick.name,
        effectiveness(inputs, yardstick),
        student.name,
        effectiveness(inputs, student),
        taught.name if taught else None,
        taught.control if taught else None,
        gains.get(inputs.primary),
        gains.get(search),
        slow / fast if slow is not None and fast is not None else None,
    )


def effectiveness(inputs: ReportInputs, ranker: ReportedRanker) -> float:
    """Mean nDCG@10 of re-ranking the first test set."""
    return inputs.metrics[inputs.primary][ranker.name][PRIMARY]


def _gains(inputs: ReportInputs, ranker: ReportedRanker) -> dict[str, Gain]:
    return {task: gain for task in inputs.metrics if (gain := gain_over_control(inputs, task, ranker, PRIMARY))}


def _best(inputs: ReportInputs, rankers: list[ReportedRanker]) -> ReportedRanker:
    return max(rankers, key=lambda ranker: effectiveness(inputs, ranker))


def _values(inputs: ReportInputs, task: str, ranker: ReportedRanker, measures: list[str]) -> list[float]:
    known = inputs.metrics[task].get(ranker.name)
    return [known[measure] for measure in measures] if known else []


def _measures_of(by_ranker: dict[str, dict[str, float]]) -> list[str]:
    return list(dict.fromkeys(measure for values in by_ranker.values() for measure in values))

"""The paper's table: a row per student and, per measure, columns for the start, for no teacher, and for each teacher.

It is Table 2 of arXiv 2010.02666, with a column added for what training began from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import polars as pl

from distilrank.config.derived import first_stage_of, measured_on
from distilrank.evaluation.tasks import evaluation_of, is_reranking, title_of
from distilrank.results.differences import Difference
from distilrank.results.report.gains import Gains
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.sections.starting import BACKBONE, TEACHER

if TYPE_CHECKING:
    from distilrank.config.params import Params


@dataclass(frozen=True)
class Cell:
    """A mean, with its deviation if it is over seeds, and its gain if taught.

    `borrowed_from` names the student whose control this is, if it is another's.
    """

    value: float
    deviation: float | None
    gain: Difference | None
    is_best: bool
    borrowed_from: str | None


@dataclass(frozen=True)
class Row:
    """A first stage, a teacher or a student, with its columns by measure: for the start, no teacher, and each teacher.

    A column holds no cell or one. It holds several if the students of several teachers differ in start or control.
    """

    name: str
    description: str
    # The ranker whose colour the row has.
    ranker: ReportedRanker
    cells: dict[str, list[list[Cell]]]
    # The median of its models' times for one client at a server. It is uneven if these differ too much to be true.
    milliseconds: float | None
    is_uneven: bool


@dataclass(frozen=True)
class MatrixTable:
    """A task's table. `depth` is how many candidates per query are re-ranked, or None in search."""

    title: str
    queries: int
    depth: int | None
    measures: list[str]
    is_timed: bool
    references: list[Row]
    students: list[Row]

    def row_of(self, ranker: ReportedRanker) -> Row:
        return next(row for row in (*self.references, *self.students) if row.name == (ranker.student or ranker.name))


def matrix_tables(inputs: ReportInputs, gains: Mapping[str, Gains]) -> dict[str, MatrixTable]:
    """The tables by task, with the rankers that were measured in it and the task's gains."""
    return {task: _table(inputs, task, gains[task]) for task in inputs.metrics}


def _table(inputs: ReportInputs, task: str, gains: Gains) -> MatrixTable:
    measured = {ranker.name: ranker for ranker in inputs.rankers if ranker.name in inputs.metrics[task]}
    references = [_reference(inputs, task, ranker) for ranker in measured.values() if ranker.student is None]
    names = dict.fromkeys(ranker.student for ranker in measured.values() if ranker.student)
    students = [_student(inputs, task, name, measured, gains) for name in names]
    on = measured_on(inputs.params, evaluation_of(task, inputs.params.evaluations))
    return MatrixTable(
        title_of(task, first_stage_of(inputs.params, task)),
        inputs.measures.filter(pl.col("task") == task)["query_id"].n_unique(),
        on.depth if is_reranking(task) else None,
        inputs.compared_by(task),
        bool(inputs.latency.served(inputs.params, task)),
        references,
        students,
    )


def _reference(inputs: ReportInputs, task: str, ranker: ReportedRanker) -> Row:
    empty: list[list[Cell]] = [[] for _ in inputs.params.matrix.teachers]
    cells = {
        name: [[], [Cell(inputs.metrics[task][ranker.name][name], None, None, False, None)], *empty]
        for name in inputs.compared_by(task)
    }
    return Row(ranker.name, ranker.description, ranker, cells, *_time(inputs, task, [ranker]))


def _student(inputs: ReportInputs, task: str, student: str, measured: dict[str, ReportedRanker], gains: Gains) -> Row:
    own = [ranker for ranker in measured.values() if ranker.student == student]
    taught = [ranker for ranker in own if ranker.role == "taught"]
    by_teacher = {ranker.teacher: [ranker] for ranker in taught}
    # A student's own control is shown even if no taught model can be compared with it.
    alone = [*(ranker.control for ranker in taught), *(ranker.name for ranker in own if ranker.role == "control")]
    columns = [
        _known(measured, [ranker.start for ranker in taught]),
        _known(measured, alone),
        *(by_teacher.get(teacher, []) for teacher in inputs.params.matrix.teachers),
    ]
    return Row(
        student,
        _described(inputs.params, student),
        next(iter(taught), own[0]),
        {measure: _cells(inputs, task, measure, student, columns, gains) for measure in inputs.compared_by(task)},
        *_time(inputs, task, own),
    )


def _known(measured: dict[str, ReportedRanker], names: list[str | None]) -> list[ReportedRanker]:
    return [measured[name] for name in dict.fromkeys(names) if name in measured]


def _described(params: "Params", name: str) -> str:
    student = params.students[name]
    model = student.begins_from.model
    start = [] if model == BACKBONE else [f"from {'its teacher' if model == TEACHER else model}'s layers"]
    return ", ".join([student.ranker.architecture, student.losses, *start])


def _cells(
    inputs: ReportInputs,
    task: str,
    measure: str,
    student: str,
    columns: list[list[ReportedRanker]],
    gains: Gains,
) -> list[list[Cell]]:
    def value(ranker: ReportedRanker) -> float:
        return inputs.metrics[task][ranker.name][measure]

    known = [value(ranker) for column in columns for ranker in column]
    return [
        [
            Cell(
                value(ranker),
                inputs.deviations[task].get(ranker.name, {}).get(measure),
                gains.get((ranker.name, measure)),
                len(known) > 1 and value(ranker) == max(known),
                ranker.student if ranker.student != student else None,
            )
            for ranker in column
        ]
        for column in columns
    ]


def _time(inputs: ReportInputs, task: str, rankers: list[ReportedRanker]) -> tuple[float | None, bool]:
    """The median of the rankers' milliseconds, and whether one is too far from those that are built alike.

    Given candidates have no time, because it is unknown.
    """
    medians = inputs.latency.served(inputs.params, task)
    times = [medians[ranker.name] for ranker in rankers if ranker.name in medians]
    uneven = {name for models in inputs.latency.uneven(inputs.params, task) for name in models}
    return median(times) if times else None, any(ranker.name in uneven for ranker in rankers)

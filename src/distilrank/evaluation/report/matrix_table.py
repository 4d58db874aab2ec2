"""The paper's table: a row a student, and for each measure a column without a teacher and one a teacher.

As Table 2 of arXiv 2010.02666.
"""

from dataclasses import dataclass
from statistics import median

from distilrank.evaluation.report.gains import Gain, gain_over_control
from distilrank.evaluation.report.inputs import ReportInputs
from distilrank.evaluation.report.rankers import ReportedRanker
from distilrank.evaluation.tasks import is_reranking, title_of
from distilrank.sections import Student

MEASURES = ["nDCG@10", "MRR@10"]


@dataclass(frozen=True)
class Cell:
    """A mean; if taught, its gain; of a control that is another student's, that student's name."""

    value: float
    gain: Gain | None
    is_best: bool
    borrowed_from: str | None


@dataclass(frozen=True)
class Row:
    """What finds candidates, a teacher or a student; by measure a cell without a teacher, then one a teacher."""

    name: str
    description: str
    # Lends its colour to the row.
    ranker: ReportedRanker
    cells: dict[str, list[Cell | None]]
    milliseconds: float | None


@dataclass(frozen=True)
class MatrixTable:
    title: str
    is_timed: bool
    references: list[Row]
    students: list[Row]


def matrix_tables(inputs: ReportInputs) -> dict[str, MatrixTable]:
    """By task, the rankers that were measured in it."""
    return {task: _table(inputs, task) for task in inputs.metrics}


def _table(inputs: ReportInputs, task: str) -> MatrixTable:
    measured = {ranker.name: ranker for ranker in inputs.rankers if ranker.name in inputs.metrics[task]}
    references = [_reference(inputs, task, ranker) for ranker in measured.values() if not ranker.is_student]
    students = dict.fromkeys(ranker.student for ranker in measured.values() if ranker.student)
    title = title_of(task, inputs.params.first_stage())
    return MatrixTable(
        title, is_reranking(task), references, [_student(inputs, task, name, measured) for name in students]
    )


def _reference(inputs: ReportInputs, task: str, ranker: ReportedRanker) -> Row:
    empty: list[Cell | None] = [None] * len(inputs.params.matrix.teachers)
    cells = {name: [Cell(inputs.metrics[task][ranker.name][name], None, False, None), *empty] for name in MEASURES}
    return Row(ranker.name, ranker.description, ranker, cells, _milliseconds(inputs, [ranker]))


def _student(inputs: ReportInputs, task: str, student: str, measured: dict[str, ReportedRanker]) -> Row:
    control = measured.get(inputs.params.control_of(student) or "")
    own = [ranker for ranker in measured.values() if ranker.student == student]
    taught = {ranker.teacher: ranker for ranker in own if ranker.role == "taught"}
    columns = [control, *(taught.get(teacher) for teacher in inputs.params.matrix.teachers)]
    return Row(
        student,
        _described(inputs.params.students[student]),
        next(iter(taught.values()), own[0]),
        {measure: _cells(inputs, task, measure, student, columns) for measure in MEASURES},
        _milliseconds(inputs, own),
    )


def _described(student: Student) -> str:
    start = ["from its teacher's layers"] if student.start == "teacher" else []
    return ", ".join([student.ranker.architecture, student.loss, *start])


def _cells(
    inputs: ReportInputs, task: str, measure: str, student: str, columns: list[ReportedRanker | None]
) -> list[Cell | None]:
    values = [inputs.metrics[task][ranker.name][measure] if ranker else None for ranker in columns]
    known = [value for value in values if value is not None]
    return [
        Cell(
            value,
            gain_over_control(inputs, task, ranker, measure),
            len(known) > 1 and value == max(known),
            ranker.student if ranker.student != student else None,
        )
        if ranker and value is not None
        else None
        for ranker, value in zip(columns, values, strict=True)
    ]


def _milliseconds(inputs: ReportInputs, rankers: list[ReportedRanker]) -> float | None:
    """None for candidates that were given: nobody knows what they took."""
    times = [inputs.latency.median_of(ranker.name) for ranker in rankers]
    return median(time for time in times if time is not None) if any(time is not None for time in times) else None

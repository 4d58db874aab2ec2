"""The paper's table: a row a student, and for each measure a column at its start, one without a teacher, one a teacher.

As Table 2 of arXiv 2010.02666, with what training began from.
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
    """What finds candidates, a teacher or a student; by measure the columns: at the start, without a teacher, one a
    teacher. A column holds no cell, or one, or, where teachers' students differ in start or control, several.
    """

    name: str
    description: str
    # Lends its colour to the row.
    ranker: ReportedRanker
    cells: dict[str, list[list[Cell]]]
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
    empty: list[list[Cell]] = [[] for _ in inputs.params.matrix.teachers]
    cells = {
        name: [[], [Cell(inputs.metrics[task][ranker.name][name], None, False, None)], *empty] for name in MEASURES
    }
    return Row(ranker.name, ranker.description, ranker, cells, _milliseconds(inputs, [ranker]))


def _student(inputs: ReportInputs, task: str, student: str, measured: dict[str, ReportedRanker]) -> Row:
    own = [ranker for ranker in measured.values() if ranker.student == student]
    taught = [ranker for ranker in own if ranker.role == "taught"]
    by_teacher = {ranker.teacher: [ranker] for ranker in taught}
    # A control of its own that no taught one can be compared with is shown all the same.
    alone = [*(ranker.control for ranker in taught), *(ranker.name for ranker in own if ranker.role == "control")]
    columns = [
        _known(measured, [ranker.start for ranker in taught]),
        _known(measured, alone),
        *(by_teacher.get(teacher, []) for teacher in inputs.params.matrix.teachers),
    ]
    return Row(
        student,
        _described(inputs.params.students[student]),
        next(iter(taught), own[0]),
        {measure: _cells(inputs, task, measure, student, columns) for measure in MEASURES},
        _milliseconds(inputs, own),
    )


def _known(measured: dict[str, ReportedRanker], names: list[str | None]) -> list[ReportedRanker]:
    return [measured[name] for name in dict.fromkeys(names) if name in measured]


def _described(student: Student) -> str:
    start = ["from its teacher's layers"] if student.start == "teacher" else []
    return ", ".join([student.ranker.architecture, student.loss, *start])


def _cells(
    inputs: ReportInputs, task: str, measure: str, student: str, columns: list[list[ReportedRanker]]
) -> list[list[Cell]]:
    def value(ranker: ReportedRanker) -> float:
        return inputs.metrics[task][ranker.name][measure]

    known = [value(ranker) for column in columns for ranker in column]
    return [
        [
            Cell(
                value(ranker),
                gain_over_control(inputs, task, ranker, measure),
                len(known) > 1 and value(ranker) == max(known),
                ranker.student if ranker.student != student else None,
            )
            for ranker in column
        ]
        for column in columns
    ]


def _milliseconds(inputs: ReportInputs, rankers: list[ReportedRanker]) -> float | None:
    """None for candidates that were given: nobody knows what they took."""
    times = [inputs.latency.median_of(ranker.name) for ranker in rankers]
    return median(time for time in times if time is not None) if any(time is not None for time in times) else None

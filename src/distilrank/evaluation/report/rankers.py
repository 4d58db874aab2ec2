"""The rankers of a report: their order, what each is, and the one colour that each has everywhere."""

from dataclasses import dataclass
from typing import Literal

from distilrank.evaluation.tasks import BM25
from distilrank.params import Params, distilled_name

Role = Literal["baseline", "teacher", "control", "taught"]
# Distinct for the colour-blind (Okabe and Ito); the stylesheet holds the colours.
HUES = 6


@dataclass(frozen=True)
class ReportedRanker:
    """A ranker, its place in the order, what it is, and the colour that CSS gives it.

    A student has one hue, lighter without a teacher; each further teacher's is darker. Teachers are black, then grey.
    """

    number: int
    name: str
    role: Role
    description: str
    colour: str
    control: str | None = None

    @property
    def is_student(self) -> bool:
        return self.role in ("control", "taught")


def reported_rankers(params: Params) -> list[ReportedRanker]:
    """BM25, the teachers, then each student after its control: the order of every table and plot."""
    described: list[tuple[str, Role, str, str, str | None]] = [
        (BM25, "baseline", "lexical, not trained", "var(--faint)", None)
    ]
    for number, (name, teacher) in enumerate(params.teachers.items()):
        description = f"teacher, {teacher.ranker.architecture}, {teacher.loss}"
        shade = _shade("var(--ink)", max(100 - 30 * number, 40), "var(--paper)")
        described.append((name, "teacher", description, shade, None))
    for number, (name, student) in enumerate(params.students.items()):
        hue, architecture = f"var(--hue-{number % HUES})", student.ranker.architecture
        own = f"{architecture}, no teacher, {student.control_loss}"
        described.append((name, "control", own, _shade(hue, 65, "var(--paper)"), None))
        for place, teacher_name in enumerate(params.teachers):
            taught = f"{architecture}, taught by {teacher_name}, {student.loss}"
            shade = _shade(hue, max(100 - 35 * place, 30))
            described.append((distilled_name(name, teacher_name), "taught", taught, shade, name))
    return [ReportedRanker(number, *row) for number, row in enumerate(described)]


def _shade(colour: str, percent: int, towards: str = "var(--far)") -> str:
    return colour if percent == 100 else f"color-mix(in oklab, {colour} {percent}%, {towards})"

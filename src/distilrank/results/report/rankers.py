"""The rankers of a report: their order, what each one is, and its colour everywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from distilrank.artifacts.layout import OWN
from distilrank.config.derived import control_of, evaluated, measured_on, start_of, starts
from distilrank.config.names import BACKBONE, control_name, distilled_name
from distilrank.config.params import Params
from distilrank.config.starts import Source, own_backbone
from distilrank.config.systems import measured_systems
from distilrank.sections.data import BM25

Role = Literal["baseline", "teacher", "start", "control", "taught", "system"]
# The number of hues that the colour-blind can tell apart (Okabe and Ito). The stylesheet holds the colours.
HUES = 6


@dataclass(frozen=True)
class ReportedRanker:
    """A ranker, its place in the order, what it is, and its colour in CSS.

    An architecture's students share a hue. It is lighter without a teacher, lightest at the start, and darker with each
    further taught student. Teachers are black, then grey. `control` and `start` name the rankers that a taught one is
    compared with, if there are any.
    """

    number: int
    name: str
    role: Role
    description: str
    colour: str
    student: str | None = None
    teacher: str | None = None
    control: str | None = None
    start: str | None = None

    @property
    def is_student(self) -> bool:
        return self.role in ("control", "taught")


def reported_rankers(params: Params) -> list[ReportedRanker]:
    """The rankers in the order of every table and plot.

    First come the first stages, the backbone, baselines and teachers. Then comes each student, after its starts and its
    controls. Systems come last.
    """
    described = [
        *_first_stages(params),
        {
            "name": BACKBONE,
            "role": "baseline",
            "description": "all its layers, mean-pooled, cosine, not trained",
            "colour": "var(--muted)",
        },
        *_baselines(params),
        *_teachers(params),
        *_students(params),
        *_systems(params),
    ]
    measured = {ranker for _, ranker in (*evaluated(params), *measured_systems(params))}
    shown = [fields for fields in described if fields["name"] in measured]
    return [ReportedRanker(number, **fields) for number, fields in enumerate(shown)]


def _first_stages(params: Params) -> Iterator[dict[str, Any]]:
    """The first stage of the collection that models learn from, then any others of other collections."""
    stages = [measured_on(params, name).candidates.first_stage() for name in (OWN, *params.evaluations)]
    for name in dict.fromkeys(stages):
        description = "lexical, not trained" if name == BM25 else "the run that was given"
        yield {"name": name, "role": "baseline", "description": description, "colour": "var(--faint)"}


def _baselines(params: Params) -> Iterator[dict[str, Any]]:
    for number, (name, one) in enumerate(params.baselines.items()):
        colour = _shade("var(--muted)", max(80 - 20 * number, 40), "var(--paper)")
        yield {"name": name, "role": "baseline", "description": f"given, {one.checkpoint}", "colour": colour}


def _teachers(params: Params) -> Iterator[dict[str, Any]]:
    for number, name in enumerate(params.teachers):
        joined = [ensemble for ensemble, entry in params.ensembles.items() if name in entry.members]
        given = params.given_teachers().get(name)
        source = [f"given, {given.checkpoint}"] if given else _trained(params, name)
        description = ", ".join(["teacher", *source, *(f"in {one}" for one in joined)])
        colour = _shade("var(--ink)", max(100 - 30 * number, 40), "var(--paper)")
        yield {"name": name, "role": "teacher", "description": description, "colour": colour}


def _trained(params: Params, name: str) -> list[str]:
    teacher = params.trained_teacher(name)
    return [teacher.ranker.architecture, str(teacher.loss)]


def _students(params: Params) -> Iterator[dict[str, Any]]:
    kinds = [student.ranker.architecture for student in params.students.values()]
    hues = {kind: f"var(--hue-{number % HUES})" for number, kind in enumerate(dict.fromkeys(kinds))}
    taught = dict.fromkeys(hues, 0)
    for name, student in params.students.items():
        kind = student.ranker.architecture
        yield from _untaught(params, name, hues[kind])
        for teacher in params.matrix.teachers:
            # In even steps from the hue itself to at most half as dark.
            most = kinds.count(kind) * len(params.matrix.teachers) - 1
            yield {
                "name": distilled_name(name, teacher),
                "role": "taught",
                "description": f"{kind}, taught by {teacher}, {student.losses}",
                "colour": _shade(hues[kind], 100 - taught[kind] * min(35, 50 // max(most, 1))),
                "student": name,
                "teacher": teacher,
                "control": control_of(params, name, teacher),
                "start": start_of(params, name, teacher).name,
            }
            taught[kind] += 1


def _untaught(params: Params, name: str, hue: str) -> Iterator[dict[str, Any]]:
    """A student's starts and its controls."""
    student = params.students[name]
    kind, alone = student.ranker.architecture, f"no teacher, {student.control_loss}"
    for start in starts(params):
        if start.student == name:
            own = start.source == Source(None, own_backbone(params, name))
            source = "" if own else f"on layers of {start.source}, "
            description, colour = f"{kind}, {source}not trained", _shade(hue, 40, "var(--paper)")
            yield {"name": start.name, "role": "start", "description": description, "colour": colour, "student": name}
    controls = {name: f"{kind}, {alone}"} if name in params.matrix.controls else {}
    for teacher in params.matrix.teachers if name in params.matrix.controls_per_teacher else []:
        controls[control_name(name, teacher)] = f"{kind}, start and triples of {teacher}'s, {alone}"
    for control, description in controls.items():
        colour = _shade(hue, 65, "var(--paper)")
        yield {"name": control, "role": "control", "description": description, "colour": colour, "student": name}


def _systems(params: Params) -> Iterator[dict[str, Any]]:
    for number, (name, system) in enumerate(params.systems.items()):
        colour = _shade("var(--accent)", max(100 - 20 * number, 40), "var(--paper)")
        yield {"name": name, "role": "system", "description": str(system), "colour": colour}


def _shade(colour: str, percent: int, towards: str = "var(--far)") -> str:
    return colour if percent == 100 else f"color-mix(in oklab, {colour} {percent}%, {towards})"

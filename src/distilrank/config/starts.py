"""What each training of a student begins from, by its `start`."""

from typing import TYPE_CHECKING, Any, NamedTuple

from distilrank.config.names import START, without_seed
from distilrank.data.hub import BUNDLED
from distilrank.errors import ParamsError
from distilrank.sections.data import Backbone
from distilrank.sections.starting import BACKBONE, TEACHER

if TYPE_CHECKING:
    from distilrank.config.entries import Entries


class Source(NamedTuple):
    """The layers of a trained model, by its name in the results, or of a pretrained transformer.

    If `layers` is None, they are the lowest.
    """

    model: str | None
    pretrained: Backbone | None
    layers: tuple[int, ...] | None = None

    def __str__(self) -> str:
        """The name in the report: T1, or T1 (0, 2, 4)."""
        name = self.model or (self.pretrained.model if self.pretrained else BACKBONE)
        return f"{name} ({', '.join(map(str, self.layers))})" if self.layers else name

    def told(self) -> dict[str, Any]:
        """The source as a manifest records it."""
        layers, pretrained = list(self.layers) if self.layers else None, self.pretrained
        where = pretrained.model_dump() if pretrained else {"model": self.model}
        return where | {"layers": layers}


class Start(NamedTuple):
    """What a student's trainings begin from, and its name in the results."""

    name: str
    student: str
    source: Source


def start_named(params: "Entries", student: str, teacher: str) -> Start:
    """The start of `student` taught by `teacher`, under a name of its own."""
    by_teacher = f"-{teacher}" if starts_from_teacher(params, student) else ""
    return Start(f"{student}-{START}{by_teacher}", student, source_of(params, student, teacher))


def starts_from_teacher(params: "Entries", student: str) -> bool:
    return params.students[student].begins_from.model == TEACHER


def source_of(params: "Entries", student: str, teacher: str | None) -> Source:
    """What `student` begins from if `teacher` teaches it. Without a teacher, the backbone stands in for one.

    Raises ParamsError for an unknown teacher, or one without layers.
    """
    start, members = params.students[student].begins_from, params.members(teacher) if teacher else []
    layers = tuple(start.layers) if start.layers else None
    if start.model == TEACHER and teacher and not members:
        raise ParamsError(
            f"students.{student}",
            got="start: teacher",
            expected=f"start: backbone, since {teacher} has scores but no weights",
            remedy="change it in params.yaml",
        )
    if start.model == TEACHER:
        # An ensemble has no layers, so its first member's are taken.
        return Source(members[0], None, layers) if teacher else Source(None, own_backbone(params, student))
    if start.model == BACKBONE:
        return Source(None, own_backbone(params, student), layers)
    if names_one_of_ours(params, start.model):
        return Source(start.model, None, layers)
    return Source(None, Backbone(model=start.model, sha256=start.sha256), layers)


def names_one_of_ours(params: "Entries", model: str) -> bool:
    """Whether a name is one of the results and not a checkpoint. Params refuse it if no such model is trained."""
    ours = {*params.label_names(), *params.baselines} - {BUNDLED}
    return model in ours or ("/" not in model and student_of(model) in params.students)


def student_of(model: str) -> str:
    """The entry of `students` that a model's name begins with."""
    return without_seed(model).partition("-")[0]


def own_backbone(params: "Entries", student: str) -> Backbone:
    return params.students[student].backbone or params.backbone

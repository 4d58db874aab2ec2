"""The sections on what is trained: teachers, ensembles, students, and which of them meet."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from distilrank.losses.base import Loss
from distilrank.losses.table import LOSSES
from distilrank.rankers.params import RankerParams
from distilrank.rankers.table import ARCHITECTURES
from distilrank.sections.base import ModelName, Section
from distilrank.sections.data import Backbone, Triples
from distilrank.sections.tables import one_of
from distilrank.sections.training import Training

# One of the table's, which the type checker cannot know.
if TYPE_CHECKING:
    AnyRanker = RankerParams
    LabelLoss = Loss
    TeacherLoss = Loss
else:
    AnyRanker = one_of("architecture", {name: one.params for name, one in ARCHITECTURES.items()})
    LabelLoss = one_of("name", {name: one for name, one in LOSSES.items() if not one.needs_teacher})
    TeacherLoss = one_of("name", {name: one for name, one in LOSSES.items() if one.needs_teacher})


class Teacher(Section):
    """Trained on labels: the students' triples, or a draw of its own; from a backbone of its own, or everybody's."""

    ranker: AnyRanker
    backbone: Backbone | None = None
    loss: LabelLoss
    training: Training
    triples: Triples | None = None

    @model_validator(mode="after")
    def names_parts_of_its_ranker(self) -> Self:
        _check_parts(self.ranker, self.training)
        return self


class Ensemble(Section):
    """Several teachers as one: the mean of their scores, of their z-normalised scores, or the median."""

    members: Annotated[list[ModelName], Field(min_length=2)]
    combine: Literal["mean", "z-mean", "median"]

    @model_validator(mode="after")
    def counts_each_member_once(self) -> Self:
        if len(set(self.members)) < len(self.members):
            raise ValueError(f"each member must stand once; they are {self.members}")
        return self


class Student(Section):
    """Learns a teacher's margins by `loss`; its control, which differs in nothing else, labels by `control_loss`."""

    ranker: AnyRanker
    backbone: Backbone | None = None
    start: Literal["backbone", "teacher"]
    loss: TeacherLoss
    control_loss: LabelLoss
    training: Training

    @model_validator(mode="after")
    def names_parts_of_its_ranker(self) -> Self:
        _check_parts(self.ranker, self.training)
        return self


class Matrix(Section):
    """Which of these meet: who teaches every student, which students have a control, which are indexed.

    `controls` start from the backbone and learn from the collection's triples: one serves all teachers whose students
    do so too. `controls_per_teacher` start where each teacher's students start, and learn from the labelled part of
    their triples. Every student and control is trained by each of `seeds` as well as by its own.
    """

    teachers: Annotated[list[ModelName], Field(min_length=1)]
    controls: list[ModelName]
    controls_per_teacher: list[ModelName]
    indexes: Annotated[list[ModelName], Field(min_length=1)]
    seeds: list[Annotated[int, Field(ge=0)]]

    @model_validator(mode="after")
    def names_each_once(self) -> Self:
        every: tuple[list[Any], ...] = (
            self.teachers,
            self.controls,
            self.controls_per_teacher,
            self.indexes,
            self.seeds,
        )
        for entries in every:
            if len(set(entries)) < len(entries):
                raise ValueError(f"each entry must stand once; they are {entries}")
        return self


def _check_parts(ranker: RankerParams, training: Training) -> None:
    if strange := [part for part in training.part_learning_rates if part not in ranker.parts]:
        raise ValueError(f"part_learning_rates of {ranker.architecture} may name {list(ranker.parts)}, not {strange}")

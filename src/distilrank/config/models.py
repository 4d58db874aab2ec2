"""The sections for what is trained: teachers, ensembles, students, and which teachers teach which students."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from distilrank.losses.first_phase import FirstPhase
from distilrank.losses.of_a_teacher import MarginMSE
from distilrank.losses.of_labels import RankNet
from distilrank.losses.table import LabelLoss, TeacherLoss
from distilrank.rankers.params import RankerParams
from distilrank.rankers.table import ARCHITECTURES
from distilrank.sections.base import ModelName, Section
from distilrank.sections.data import OwnBackbone
from distilrank.sections.labels import ScaleRule
from distilrank.sections.starting import Start, StartFrom
from distilrank.sections.tables import one_of
from distilrank.sections.training import Training
from distilrank.sections.weights import Weights

# A choice built from a table, which the type checker cannot know.
if TYPE_CHECKING:
    AnyRanker = RankerParams
else:
    AnyRanker = one_of("architecture", {name: one.params for name, one in ARCHITECTURES.items()})


class Teacher(Section):
    """A ranker trained on labels."""

    ranker: AnyRanker
    """Its architecture, and the keys of that architecture."""

    backbone: OwnBackbone | None = None
    """A backbone of its own. null: the section `backbone`."""

    loss: LabelLoss = RankNet()
    """Its loss."""

    training: Training
    """How it is trained."""

    triples: ModelName | None = None
    """The entry of `triples` that it learns from. null: the only one."""

    @model_validator(mode="after")
    def names_parts_of_its_ranker(self) -> Self:
        _check_parts(self.ranker, self.training)
        return self


class Ensemble(Section):
    """Several teachers as one."""

    members: Annotated[list[ModelName], Field(min_length=2)]
    """Entries of `teachers`, and `bm25`. A student that starts from its teacher takes the layers of the first
    member that is an entry of `teachers`."""

    combine: Literal["mean", "median"] = "mean"
    """How their scaled scores become one."""

    scale: ScaleRule = "none"
    """The scale that each member's scores are brought to first; see `labels.scale`."""

    weights: Weights | None = None
    """How much each member counts in the mean: a number for each, taken as its share of their sum; or `tuned`, the
    weights that rank the candidates of dev queries best. null: all count alike."""

    @model_validator(mode="after")
    def counts_each_member_once(self) -> Self:
        if len(set(self.members)) < len(self.members):
            raise ValueError(f"name each member once; they are {self.members}")
        return self

    @model_validator(mode="after")
    def weighs_what_can_be_weighed(self) -> Self:
        given = self.given_weights
        if self.weights and self.combine != "mean":
            raise ValueError(
                f"weights are for a mean, but combine is {self.combine}: set combine: mean, or weights: null"
            )
        if self.weights == "tuned" and self.scale == "none":
            raise ValueError("tuned weights need scores of one scale: set scale to z, min-max or rank")
        if given is not None and (set(given) != set(self.members) or not sum(given.values())):
            raise ValueError(
                f"weights must have a number for each of {self.members}, at least one above 0; they are {given}"
            )
        return self

    @property
    def given_weights(self) -> dict[str, float] | None:
        """The weights that params.yaml gives; None if they are tuned, or all alike."""
        return self.weights if isinstance(self.weights, dict) else None


class InBatch(Section):
    """A second teacher. It is cheap enough to score every query with every passage of each batch."""

    teacher: ModelName
    """An entry of `teachers` whose texts meet in products: dot, colbert or splade."""

    loss: TeacherLoss = MarginMSE()
    """The loss by which its scores are learned: a query's positive against all other passages of the batch."""

    weight: float = Field(gt=0, default=1.0)
    """The weight of this loss; `loss` has weight 1."""

    scale: float = Field(gt=0, default=1.0)
    """The factor of its scores. It brings a cosine to the range of the other teacher's labels."""

    @model_validator(mode="after")
    def has_a_scale_of_its_own(self) -> Self:
        if self.loss.fits_scale:
            raise ValueError(
                "in_batch.loss.scale is fitted, which is for triples alone: set in_batch.scale to a number instead"
            )
        return self

    def __str__(self) -> str:
        """The text that the report shows."""
        return f"{self.loss} in batches by {self.teacher}"


class Student(Section):
    """A ranker that each teacher of the matrix teaches, and its control, which differs only in the loss."""

    ranker: AnyRanker
    """Its architecture, and the keys of that architecture."""

    backbone: OwnBackbone | None = None
    """A backbone of its own. null: the section `backbone`."""

    start: Start = "backbone"
    """What it starts from. It takes the lowest layers, unless a section names others."""

    loss: TeacherLoss = MarginMSE()
    """The loss by which it learns a teacher's scores."""

    first_phase: FirstPhase | None = None
    """How its training begins, before `loss`. Its control's does not. null: with `loss`."""

    in_batch: InBatch | None = None
    """What it also learns from a second teacher. Its control does not learn this. null: nothing."""

    control_loss: LabelLoss = RankNet()
    """The loss by which its control learns labels."""

    training: Training
    """How both are trained."""

    triples: ModelName | None = None
    """The entry of `triples` that both learn from. null: the only one. Imports bring their own triples."""

    @model_validator(mode="after")
    def names_parts_of_its_ranker(self) -> Self:
        _check_parts(self.ranker, self.training)
        return self

    @property
    def losses(self) -> str:
        """All losses by which it learns a teacher's scores, in words."""
        later = " and ".join(map(str, filter(None, (self.loss, self.in_batch))))
        return f"{self.first_phase}, then {later}" if self.first_phase else later

    @model_validator(mode="after")
    def has_steps_of_both_phases(self) -> Self:
        first, steps = self.first_phase, self.training.steps
        if first and steps and not 0 < first.steps(steps) < steps:
            raise ValueError(
                f"first_phase.share, {first.share}, makes {first.steps(steps)} of {steps} steps: set a share that "
                "leaves a step for each phase, or first_phase: null"
            )
        return self

    @model_validator(mode="after")
    def takes_as_many_layers_as_it_has(self) -> Self:
        taken = self.begins_from.layers
        if taken and not self.ranker.has_transformer:
            raise ValueError(f"start.layers are {taken}, but {self.ranker.architecture} has no layers to start from")
        if taken and len(taken) != self.ranker.layers:
            raise ValueError(f"start.layers are {taken}, and ranker.layers is {self.ranker.layers}: name as many")
        return self

    @property
    def begins_from(self) -> StartFrom:
        """Its start as a section."""
        return StartFrom(model=self.start) if isinstance(self.start, str) else self.start


class Matrix(Section):
    """Which teachers teach which students, and what else is built."""

    teachers: Annotated[list[ModelName], Field(min_length=1)]
    """Teachers, ensembles, imports and `bm25`: each teaches every student."""

    controls: list[ModelName] = Field(default=[])
    """Students that are also trained without a teacher, on the same triples. A control starts where its student
    does, or from the backbone if the student's start depends on the teacher. One control serves all teachers.
    """

    controls_per_teacher: list[ModelName] = Field(default=[])
    """Students that have a control for each teacher. Such a control starts where the student of that teacher starts,
    and learns from the labelled part of its triples.
    """

    seeds: list[Annotated[int, Field(ge=0)]] = Field(default=[])
    """More seeds. Every student and control is trained with each of them too, for means and deviations."""

    @model_validator(mode="after")
    def names_each_once(self) -> Self:
        every: tuple[list[Any], ...] = (
            self.teachers,
            self.controls,
            self.controls_per_teacher,
            self.seeds,
        )
        for entries in every:
            if len(set(entries)) < len(entries):
                raise ValueError(f"name each entry once; they are {entries}")
        return self


def _check_parts(ranker: RankerParams, training: Training) -> None:
    if strange := [part for part in training.part_learning_rates if part not in ranker.parts]:
        raise ValueError(f"part_learning_rates of {ranker.architecture} may name {list(ranker.parts)}, not {strange}")
    if not ranker.has_transformer and (training.gradient_checkpointing or training.layer_decay < 1 or training.lora):
        raise ValueError(f"{ranker.architecture} has no layers for gradient_checkpointing, layer_decay and lora")


def trained_or_given(teacher: Any) -> str:
    """The kind of a teacher: given if it has a checkpoint, else trained."""
    has_checkpoint = "checkpoint" in teacher if isinstance(teacher, dict) else hasattr(teacher, "checkpoint")
    return "given" if has_checkpoint else "trained"

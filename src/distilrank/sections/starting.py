"""The section on what a student's training begins from."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from distilrank.sections.base import Section, Sha256
from distilrank.sections.checkpoints import REGISTERED
from distilrank.sections.data import BM25

BACKBONE, TEACHER = "backbone", "teacher"
Layer = Annotated[int, Field(ge=0)]


class StartFrom(Section):
    """What a training starts from, and which layers it takes."""

    model: str = Field(min_length=1)
    """`backbone`; `teacher`; a teacher or trained student by its name in the results, such as dot-T1; or a checkpoint:
    `minilm`, a Hugging Face id, or a folder."""

    layers: Annotated[list[Layer], Field(min_length=1)] | None = None
    """The layers to take, in this order, counted from 0: as many as `ranker.layers`. null: the lowest."""

    sha256: Sha256 | None = None
    """The digest of a checkpoint's `model.safetensors`. DVC notices changed weights by it. null: nothing is checked."""

    @model_validator(mode="after")
    def names_what_has_layers(self) -> Self:
        if self.model == BM25 or self.model.startswith(REGISTERED):
            remedy = "make a registered model a teacher by its checkpoint, and name that teacher"
            raise ValueError(f"start.model cannot be {self.model}: {remedy}")
        return self

    @model_validator(mode="after")
    def takes_each_layer_once(self) -> Self:
        if self.layers and len(set(self.layers)) < len(self.layers):
            raise ValueError(f"name each of layers once; they are {self.layers}")
        return self


def _word_or_model(start: object) -> str:
    return "word" if isinstance(start, str) else "model"


Start = Annotated[
    Annotated[Literal["backbone", "teacher"], Tag("word")] | Annotated[StartFrom, Tag("model")],
    Discriminator(_word_or_model),
]

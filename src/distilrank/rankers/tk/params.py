"""TK's entry in params.yaml."""

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from distilrank.rankers.params import RankerParams
from distilrank.sections.base import FileElsewhere, is_remote


class Glove(FileElsewhere):
    """A text file of word vectors: a word and its numbers per line.

    A training does not depend on its path, so DVC notices a changed local file by its checksum alone.
    """

    @model_validator(mode="after")
    def has_a_checksum_if_it_is_here(self) -> Self:

        if self.checksum is None and not is_remote(self.location):
            raise ValueError(f"checksum is null, and {self.location} is a path: set it, or DVC notices no change")
        return self


class TkParams(RankerParams):
    """TK: small transformer layers over word embeddings, and kernels over cosines."""

    vector_per_token: ClassVar[bool] = True
    has_transformer: ClassVar[bool] = False

    architecture: Literal["tk"] = "tk"

    layers: int = Field(ge=1, default=2)
    """Transformer layers of its own."""

    feed_forward: int = Field(ge=1, default=100)
    """Width of the feed-forward networks in these layers."""

    glove: Glove | None = None
    """Word embeddings of a GloVe text file. null: the backbone's."""

    @property
    def parts(self) -> tuple[str, ...]:
        return ("kernels", "embeddings")

    @property
    def files(self) -> Mapping[str, str]:
        return {"glove.location": self.glove.location} if self.glove else {}

"""TK's entry in params.yaml."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from distilrank.rankers.params import RankerParams
from distilrank.sections.base import Section, Sha256


class Glove(Section):
    """A text file of word vectors: a word and its numbers per line."""

    path: str = Field(min_length=1)
    """Where it is."""

    sha256: Sha256
    """By it DVC sees that the file changed."""


class TkParams(RankerParams):
    """TK: small transformer layers over word embeddings, and kernels over cosines."""

    has_transformer: ClassVar[bool] = False

    architecture: Literal["tk"] = "tk"

    layers: int = Field(ge=1, default=2)
    """Transformer layers of its own."""

    glove: Glove | None = None
    """Word embeddings of a GloVe text file. null: the backbone's."""

    @property
    def parts(self) -> tuple[str, ...]:
        return ("kernels", "embeddings")

    @property
    def files(self) -> Mapping[str, str]:
        return {"glove.path": self.glove.path} if self.glove else {}

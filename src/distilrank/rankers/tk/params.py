"""TK's entry in params.yaml."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from distilrank.rankers.params import RankerParams
from distilrank.sections.base import Section


class Glove(Section):
    """A text file of word vectors: a word and its numbers a line. By its digest DVC sees that it changed."""

    path: str = Field(min_length=1)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class TkParams(RankerParams):
    """TK: small transformer layers over word embeddings, the backbone's or those of a GloVe text file."""

    has_transformer: ClassVar[bool] = False

    architecture: Literal["tk"] = "tk"
    layers: int = Field(ge=1, default=2)
    glove: Glove | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        return ("kernels", "embeddings")

    @property
    def files(self) -> Mapping[str, str]:
        return {"glove.path": self.glove.path} if self.glove else {}

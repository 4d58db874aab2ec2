"""TK's entry in params.yaml."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from distilrank.rankers.params import RankerParams
from distilrank.sections.base import FileElsewhere


class Glove(FileElsewhere):
    """A text file of word vectors: a word and its numbers per line."""


class TkParams(RankerParams):
    """TK: small transformer layers over word embeddings, and kernels over cosines."""

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

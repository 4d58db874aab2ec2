"""A classifier's entry: how its tokenizer frames a pair."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from distilrank.rankers.params import RankerParams


class ClassifierParams(RankerParams):
    """A sequence classifier of another library, which reads a pair as its own tokenizer frames it."""

    reads_pairs: ClassVar[bool] = True

    architecture: Literal["classifier"] = "classifier"

    begin: list[int]
    """The special tokens before the query, by their ids."""

    middle: list[int]
    """Those between query and passage."""

    end: list[int]
    """Those behind the passage."""

    segments: Annotated[list[int], Field(min_length=5, max_length=5)] | None
    """The segment numbers of begin, query, middle, passage and end. null: the network reads none."""

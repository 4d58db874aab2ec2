"""ColBERT's entry in params.yaml."""

from typing import Literal

from pydantic import Field

from distilrank.rankers.params import ScaledParams


class ColbertParams(ScaledParams):
    """ColBERT: vectors of `dimension`.

    Queries are filled up with [MASK], which nothing reads, where `expand_queries`. `query_masks` is how many others,
    which are read, stand behind each query, as the paper's published ColBERT was trained.
    """

    architecture: Literal["colbert"] = "colbert"
    dimension: int = Field(ge=1, default=128)
    expand_queries: bool = False
    query_masks: int = Field(ge=0, default=0)

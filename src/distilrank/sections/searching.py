"""The sections of params.yaml on searching: how passages are encoded, and what approximate indexes must reach."""

from typing import Annotated, Literal

from pydantic import Field

from distilrank.sections.base import Section, Share, text_like
from distilrank.sections.precision import Precision

IndexName = Annotated[str, text_like(r"^[A-Za-z][A-Za-z0-9_-]*$", "name")]


class Encoding(Section):
    """How passages are encoded before queries come, and how their vectors are stored."""

    precision: Precision = "float32"
    """The precision of matrix products. All but float32 are for GPUs."""

    store: Literal["float32", "float16"] = "float32"
    """The numbers of the stored vectors. float16 takes half the space, and rounds scores to about three digits."""

    passages_per_part: int = Field(ge=1, default=8192)
    """The most passages that a killed encoding loses per worker. Of passage stores, a part also takes at most 512 MiB.
    Its worker's memory holds that up to twice."""


class Audit(Section):
    """Compares approximate indexes with the exact vectors that they are built of, on test queries."""

    queries: int = Field(ge=1, default=1000)
    """Test queries that are asked, or all if there are fewer."""

    single_queries: int = Field(ge=1, default=200)
    """How many of them are timed one by one."""

    floors: dict[IndexName, Share] = Field(default={})
    """The least recall@10 by entry of `indexes`: the share of the best ten passages by exact vectors that are among the
    index's best ten. An index below its floor fails the audit."""

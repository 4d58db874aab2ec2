"""BERT_DOT's entry in params.yaml."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from distilrank.rankers.params import ScaledParams


class DotParams(ScaledParams):
    """BERT_DOT: one vector per text, and one product."""

    one_vector: ClassVar[bool] = True
    meets_in_products: ClassVar[bool] = True

    architecture: Literal["dot"] = "dot"

    pooling: Literal["cls", "mean"]
    """Whether the vector is that of [CLS], or the mean over all tokens."""

    dimension: Annotated[int, Field(ge=1)] | None = None
    """What the vector is projected to. null: it has the backbone's width."""

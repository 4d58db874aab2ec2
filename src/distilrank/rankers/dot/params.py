"""BERT_DOT's entry in params.yaml."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from distilrank.rankers.params import ScaledParams


class DotParams(ScaledParams):
    """BERT_DOT: one vector, of the backbone's width or projected to `dimension`."""

    one_vector: ClassVar[bool] = True

    architecture: Literal["dot"] = "dot"
    pooling: Literal["cls", "mean"]
    dimension: Annotated[int, Field(ge=1)] | None = None

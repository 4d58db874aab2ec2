"""SPLADE's entry in params.yaml."""

from typing import ClassVar, Literal

from pydantic import Field

from distilrank.rankers.params import RankerParams


class SpladeParams(RankerParams):
    """SPLADE: one weight for each entry of the vocabulary. Indexes of dense vectors cannot hold these."""

    weighs_terms: ClassVar[bool] = True
    takes_maxima: ClassVar[bool] = True
    meets_in_products: ClassVar[bool] = True

    architecture: Literal["splade"] = "splade"

    flops_queries: float = Field(ge=0, default=0.0)
    """The factor of the FLOPS penalty (Paria et al.) on the queries' vectors. A higher factor makes them sparser."""

    flops_passages: float = Field(ge=0, default=0.0)
    """The same for passages."""

    flops_ramp: float = Field(ge=0, le=1, default=0.33)
    """The share of the steps over which both factors rise quadratically from 0."""

    @property
    def penalised(self) -> bool:
        return self.flops_queries > 0 or self.flops_passages > 0

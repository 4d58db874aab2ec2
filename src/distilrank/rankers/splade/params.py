"""SPLADE's entry in params.yaml."""

from typing import ClassVar, Literal

from distilrank.rankers.params import RankerParams


class SpladeParams(RankerParams):
    """SPLADE: one weight for each entry of the vocabulary. An index of dense vectors does not hold it."""

    takes_maxima: ClassVar[bool] = True

    architecture: Literal["splade"] = "splade"

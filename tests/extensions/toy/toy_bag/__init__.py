"""A toy architecture of another package: the mean of a text's word embeddings."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from distilrank.rankers.architecture import Architecture
from distilrank.rankers.params import RankerParams


class BagParams(RankerParams):
    one_vector: ClassVar[bool] = True
    has_transformer: ClassVar[bool] = False

    architecture: Literal["bag"] = "bag"
    layers: int = 0


class Bag(Architecture):
    params = BagParams
    can_be_exported = True

    def ranker(self) -> type:
        from toy_bag.model import BagRanker

        return BagRanker

    def examples(self, layers: int, width: int) -> Mapping[str, BagParams]:
        return {"bag": BagParams()}


BAG = Bag()

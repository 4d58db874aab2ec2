"""SPLADE (Formal et al., SIGIR 2021, arXiv 2107.05720): one sparse vector per text, over the vocabulary."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from distilrank.rankers.architecture import Architecture
from distilrank.rankers.splade.params import SpladeParams

if TYPE_CHECKING:
    from distilrank.rankers.base import Ranker


class Splade(Architecture):
    params = SpladeParams

    def ranker(self) -> "type[Ranker]":
        from distilrank.rankers.splade.model import SpladeRanker

        return SpladeRanker

    def examples(self, layers: int, width: int) -> Mapping[str, SpladeParams]:
        return {"splade": SpladeParams(layers=layers)}

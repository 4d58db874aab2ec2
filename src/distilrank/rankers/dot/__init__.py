"""BERT_DOT (arXiv 2010.02666, section 3): one vector per query, one per passage, compared by dot product."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from distilrank.rankers.architecture import PublishedArchitecture, PublishedFacts
from distilrank.rankers.dot.params import DotParams

if TYPE_CHECKING:
    from distilrank.rankers.base import Ranker


class Dot(PublishedArchitecture):
    params = DotParams
    can_be_exported = True

    def ranker(self) -> "type[Ranker]":
        from distilrank.rankers.dot.model import DotRanker

        return DotRanker

    def examples(self, layers: int, width: int) -> Mapping[str, DotParams]:
        return {
            "dot, [CLS]": DotParams(layers=layers, pooling="cls"),
            "dot, mean": DotParams(layers=layers, pooling="mean"),
        }

    def published(self, facts: PublishedFacts) -> DotParams:
        return DotParams(layers=facts.layers, pooling="cls", dimension=facts.dimension)

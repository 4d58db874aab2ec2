"""ColBERT (Khattab and Zaharia, SIGIR 2020), as in arXiv 2010.02666: one vector per token, compared by MaxSim."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from distilrank.rankers.architecture import PublishedArchitecture, PublishedFacts
from distilrank.rankers.colbert.params import ColbertParams

if TYPE_CHECKING:
    from distilrank.rankers.base import Ranker


class Colbert(PublishedArchitecture):
    params = ColbertParams
    can_be_exported = True

    def ranker(self) -> "type[Ranker]":
        from distilrank.rankers.colbert.model import ColbertRanker

        return ColbertRanker

    def examples(self, layers: int, width: int) -> Mapping[str, ColbertParams]:
        return {"colbert": ColbertParams(layers=layers, dimension=min(128, width))}

    def published(self, facts: PublishedFacts) -> ColbertParams:
        """Published ColBERTs were trained with eight [MASK] behind each query."""
        return ColbertParams(layers=facts.layers, dimension=facts.dimension or 1, query_masks=8)

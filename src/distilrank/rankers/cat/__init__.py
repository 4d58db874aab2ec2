"""BERT_CAT (Nogueira and Cho, arXiv 1901.04085): one transformer over query and passage, joined."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from distilrank.rankers.architecture import PublishedArchitecture, PublishedFacts
from distilrank.rankers.cat.params import CatParams

if TYPE_CHECKING:
    from distilrank.rankers.base import Ranker


class Cat(PublishedArchitecture):
    params = CatParams
    can_be_exported = True

    def ranker(self) -> "type[Ranker]":
        from distilrank.rankers.cat.model import CatRanker

        return CatRanker

    def examples(self, layers: int, width: int) -> Mapping[str, CatParams]:
        return {"cat, [CLS]": CatParams(layers=layers), "cat, pooler": CatParams(layers=layers, pooling="pooler")}

    def published(self, facts: PublishedFacts) -> CatParams:
        """Published CATs use the pooler of every backbone that has one."""
        return CatParams(layers=facts.layers, pooling="pooler" if facts.has_pooler else "cls")

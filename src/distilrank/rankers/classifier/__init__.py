"""A sequence classifier with one label, in transformers' form: a cross-encoder that was trained elsewhere."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from distilrank.rankers.architecture import Architecture
from distilrank.rankers.classifier.params import ClassifierParams

if TYPE_CHECKING:
    from distilrank.rankers.base import Ranker


class Classifier(Architecture):
    """Comes only from a checkpoint. No params begin one."""

    params = ClassifierParams

    def ranker(self) -> "type[Ranker]":
        from distilrank.rankers.classifier.model import ClassifierRanker

        return ClassifierRanker

    def examples(self, layers: int, width: int) -> Mapping[str, ClassifierParams]:
        return {}

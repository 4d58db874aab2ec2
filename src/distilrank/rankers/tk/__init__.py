"""TK (Hofstätter et al., ECAI 2020, arXiv 2002.01854): kernels over the cosines of contextualised word embeddings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from distilrank.rankers.architecture import Architecture
from distilrank.rankers.tk.params import TkParams

if TYPE_CHECKING:
    from distilrank.rankers.base import Ranker


class Tk(Architecture):
    params = TkParams

    def ranker(self) -> "type[Ranker]":
        from distilrank.rankers.tk.model import TkRanker

        return TkRanker

    def examples(self, layers: int, width: int) -> Mapping[str, TkParams]:
        return {"tk": TkParams()}

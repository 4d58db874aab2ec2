"""PreTTR (MacAvaney et al., SIGIR 2020): the lower layers read query and passage apart, the upper ones joined."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from distilrank.rankers.architecture import PublishedArchitecture, PublishedFacts, WrongFact
from distilrank.rankers.prettr.params import PrettrParams

if TYPE_CHECKING:
    from distilrank.rankers.base import Ranker

# The default of the published class, which config.json may leave out.
_JOIN_LAYER = 3


class Prettr(PublishedArchitecture):
    params = PrettrParams
    published_head_has_bias = False

    def ranker(self) -> "type[Ranker]":
        from distilrank.rankers.prettr.model import PrettrRanker

        return PrettrRanker

    def examples(self, layers: int, width: int) -> Mapping[str, PrettrParams]:
        return {"prettr": PrettrParams(layers=layers, join_layer=layers // 2)}

    def published(self, facts: PublishedFacts) -> PrettrParams:
        """Published PreTTRs were trained with eight [MASK] behind each query."""
        join = facts.config.get("join_layer_idx", _JOIN_LAYER)
        if type(join) is not int or not 1 <= join < facts.layers:
            expected = f"a number from 1 to {facts.layers - 1}, below the {facts.layers} layers"
            raise WrongFact("join_layer_idx", join, expected)
        return PrettrParams(layers=facts.layers, join_layer=join, query_masks=8)

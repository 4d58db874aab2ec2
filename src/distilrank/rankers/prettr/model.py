"""PreTTR (MacAvaney et al., SIGIR 2020): the lower layers read query and passage apart, the upper ones joined."""

from typing import Self

import torch
from torch import Tensor, nn

from distilrank.rankers.base import Encoded, RankerConfig, TokenBatch, in_float32
from distilrank.rankers.framing import padding_last
from distilrank.rankers.halves import split
from distilrank.rankers.prettr.params import PrettrParams
from distilrank.rankers.transformer import TransformerRanker


class PrettrRanker(TransformerRanker):
    """Reads [CLS] query [SEP] and passage [SEP], with a linear head on [CLS] after the last layer.

    Passages count positions from after the longest possible query. So what is stored of a passage, in float16, does not
    depend on the query.
    """

    params: PrettrParams

    def __init__(self, config: RankerConfig) -> None:
        super().__init__(config)
        self.params = PrettrParams.model_validate(config.ranker)
        self.head = nn.Linear(self.width, 1)
        # In a tuple, so that weights shared by the halves and the backbone are registered once.
        self._halves = split(self.backbone, self.params.join_layer)
        self.post_init()

    def encode_queries(self, batch: TokenBatch) -> Encoded:
        return self._lower(*self.framed(batch, masks=self.params.query_masks), 0)

    def encode_passages(self, batch: TokenBatch) -> Encoded:
        ids, mask, segments = self.framed(batch, begin=False)
        encoded = self._lower(ids, mask, segments + 1, self._passage_start)
        return encoded if self.training else Encoded(encoded.values.half(), mask)

    def interact(self, queries: Encoded, passages: Encoded) -> Tensor:
        mask = torch.cat([queries.mask, passages.mask], 1)
        states = torch.cat([queries.values, passages.values.to(queries.values.dtype)], 1)
        starts = (self._positions(queries.values, 0), self._positions(passages.values, self._passage_start))
        # Local attention counts positions, so padding between query and passage would narrow its window.
        order = padding_last(mask)
        joined = self._halves[1](
            inputs_embeds=states.gather(1, order.unsqueeze(2).expand(-1, -1, self.width)),
            attention_mask=mask.gather(1, order).long(),
            position_ids=torch.cat(starts, 1).expand_as(mask).gather(1, order),
        )
        with in_float32(passages):
            scores: Tensor = self.head(joined.last_hidden_state[:, 0].float())
        return scores.squeeze(1)

    def train(self, mode: bool = True) -> Self:
        """Sets the mode. The halves' copied modules are no children of the ranker, so they are set here too."""
        for half in self._halves:
            half.train(mode)
        super().train(mode)
        return self

    def longest(self) -> int:
        return super().longest() + self.params.query_masks

    @property
    def _passage_start(self) -> int:
        return self.config.query_length + 2 + self.params.query_masks

    def _lower(self, ids: Tensor, mask: Tensor, segments: Tensor, start: int) -> Encoded:
        states = self._halves[0](
            input_ids=ids,
            attention_mask=mask.long(),
            position_ids=self._positions(ids, start),
            **self.segment_inputs(segments),
        ).last_hidden_state
        return Encoded(states, mask)

    def _positions(self, sequence: Tensor, start: int) -> Tensor:
        first = self.first_position + start
        return torch.arange(first, first + sequence.shape[1], device=sequence.device).unsqueeze(0)

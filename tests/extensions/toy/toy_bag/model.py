"""The ranker."""

from typing import Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import Encoded, Ranker, RankerConfig, TokenBatch
from toy_bag import BagParams


class BagRanker(Ranker):
    params: BagParams

    def __init__(self, config: RankerConfig) -> None:
        super().__init__(config)
        self.params = BagParams.model_validate(config.ranker)
        table = config.backbone or {}
        self.embeddings = nn.Embedding(table["vocab_size"], table["hidden_size"])
        self.post_init()

    @classmethod
    def started_from(cls, source: PreTrainedModel, config: RankerConfig, tokenizer: TextTokenizer) -> Self:
        table = source.get_input_embeddings().state_dict()["weight"].float()
        config.backbone = {"vocab_size": table.shape[0], "hidden_size": table.shape[1]}
        ranker = cls(config)
        ranker.embeddings.weight.data.copy_(table)
        return ranker

    def encode_queries(self, batch: TokenBatch) -> Encoded:
        return self._encode(batch)

    def encode_passages(self, batch: TokenBatch) -> Encoded:
        return self._encode(batch)

    def interact(self, queries: Encoded, passages: Encoded) -> Tensor:
        return (queries.values.float() * passages.values.float()).sum((1, 2))

    def _encode(self, batch: TokenBatch) -> Encoded:
        mask = batch.mask.unsqueeze(2)
        mean = (self.embeddings(batch.ids) * mask).sum(1) / mask.sum(1).clamp(min=1)
        return Encoded(mean.unsqueeze(1), torch.ones_like(batch.mask[:, :1]))

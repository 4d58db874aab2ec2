"""BERT_CAT (Nogueira and Cho, arXiv 1901.04085): query and passage joined, a linear head on [CLS]."""

import torch
from torch import Tensor, nn

from distilrank.rankers.base import Encoded, Ranker, RankerConfig, TokenBatch


class CatRanker(Ranker):
    """Nothing can be computed before query and passage meet: encoding passes the token ids through."""

    def __init__(self, config: RankerConfig) -> None:
        super().__init__(config)
        self.head = nn.Linear(self.backbone.config.hidden_size, 1)
        self.post_init()

    def encode_queries(self, batch: TokenBatch) -> Encoded:
        return Encoded(batch.ids, batch.mask)

    def encode_passages(self, batch: TokenBatch) -> Encoded:
        return Encoded(batch.ids, batch.mask)

    def interact(self, queries: Encoded, passages: Encoded) -> Tensor:
        joined = self.framed(TokenBatch(queries.values, queries.mask), TokenBatch(passages.values, passages.mask))
        scores: Tensor = self.head(self.contextualise(*joined)[:, 0])
        return scores.squeeze(1).to(torch.float32)

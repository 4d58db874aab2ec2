"""BERT_DOT (arXiv 2010.02666, section 3): one vector per query, one per passage, compared by dot product."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from distilrank.rankers.base import Encoded, RankerConfig, TokenBatch, all_products, in_float32
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.scale import Scale
from distilrank.rankers.transformer import TransformerRanker


class DotRanker(TransformerRanker):
    """Pools by [CLS], as in the paper, or by the mean over tokens, and projects if a dimension is given.

    Only query vectors are scaled, so that normalised passage vectors have length 1 wherever they are stored.
    """

    params: DotParams

    def __init__(self, config: RankerConfig) -> None:
        super().__init__(config)
        self.params = DotParams.model_validate(config.ranker)
        dimension = self.params.dimension
        self.projection = nn.Linear(self.width, dimension) if dimension else nn.Identity()
        self.scale = Scale(self.params)
        self.post_init()

    def encode_queries(self, batch: TokenBatch) -> Encoded:
        vectors, mask = self._encode(batch)
        return Encoded(self.scale(vectors), mask)

    def encode_passages(self, batch: TokenBatch) -> Encoded:
        return Encoded(*self._encode(batch))

    def interact(self, queries: Encoded, passages: Encoded) -> Tensor:
        with in_float32(passages):
            return (queries.values.float() * passages.values.float()).sum((1, 2))

    def interact_all(self, queries: Encoded, passages: Encoded) -> Tensor:
        return all_products(queries, passages)

    def longest(self) -> int:
        return max(self.config.query_length, self.config.passage_length) + 2

    def parts(self) -> dict[str, list[nn.Parameter]]:
        return {"scale": [*self.scale.parameters()]}

    def _encode(self, batch: TokenBatch) -> tuple[Tensor, Tensor]:
        ids, mask, segments = self.framed(batch)
        states = self.states(self.backbone, ids, mask, segments)
        if self.params.pooling == "mean":
            weights = mask.unsqueeze(2).to(states.dtype)
            pooled = (states * weights).sum(1) / weights.sum(1)
        else:
            pooled = states[:, 0]
        vectors = self.projection(pooled)
        if self.params.normalise:
            vectors = normalize(vectors, dim=1)
        # One vector is a sequence of length 1, so that the stores of all architectures have one shape.
        return vectors.unsqueeze(1), torch.ones_like(mask[:, :1])

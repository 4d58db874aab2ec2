"""ColBERT (Khattab and Zaharia, SIGIR 2020), as in arXiv 2010.02666: one vector per token, compared by MaxSim."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from distilrank.rankers.base import Encoded, RankerConfig, TokenBatch, in_float32
from distilrank.rankers.colbert.params import ColbertParams
from distilrank.rankers.matches import Match, most_similar
from distilrank.rankers.scale import Scale
from distilrank.rankers.transformer import TransformerRanker

# The most similarities of tokens that are computed at once where every query meets every passage: 64 MiB in float32.
_MOST_SIMILARITIES = 2**24


class ColbertRanker(TransformerRanker):
    """Projects every token, [CLS] and [SEP] included. Vectors are not normalised unless the config says so.

    Only query vectors are scaled, as in a dot ranker.
    """

    params: ColbertParams

    def __init__(self, config: RankerConfig) -> None:
        super().__init__(config)
        self.params = ColbertParams.model_validate(config.ranker)
        self.projection = nn.Linear(self.width, self.params.dimension)
        self.scale = Scale(self.params)
        self.post_init()

    def encode_queries(self, batch: TokenBatch) -> Encoded:
        ids, mask, segments = self.framed(batch, masks=self.params.query_masks)
        if not self.params.expand_queries:
            return Encoded(self.scale(self._vectors(ids, mask, segments)), mask)
        # Query expansion: a [MASK] reads the query and is matched, but no token reads it (ColBERT paper, section 3.2).
        missing = self._query_positions - ids.shape[1]
        segments, real = pad(segments, (0, missing)), pad(mask, (0, missing))
        ids = pad(ids, (0, missing)).masked_fill(~real, self.config.mask_token_id or 0)
        vectors = self._vectors(ids, real, segments, at_padding=True)
        return Encoded(self.scale(vectors), torch.ones_like(real))

    def encode_passages(self, batch: TokenBatch) -> Encoded:
        ids, mask, segments = self.framed(batch)
        vectors = self._vectors(ids, mask, segments)
        if self.params.skipped_tokens:
            mask = mask & ~torch.isin(ids, torch.tensor(self.params.skipped_tokens, device=ids.device))
        return Encoded(vectors, mask)

    def interact(self, queries: Encoded, passages: Encoded) -> Tensor:
        with in_float32(passages):
            similarities = queries.values.float() @ passages.values.float().transpose(1, 2)
        return _highest_summed(similarities.unsqueeze(2), queries.mask, passages.mask[:, None, None]).squeeze(1)

    def interact_all(self, queries: Encoded, passages: Encoded) -> Tensor:
        vectors = passages.values.float().flatten(0, 1)

        def interact(some: Tensor, mask: Tensor) -> Tensor:
            with in_float32(passages):
                # As one product: to spread queries over passages would copy both.
                similarities = some.float().flatten(0, 1) @ vectors.T
            return _highest_summed(similarities.view(*mask.shape, *passages.mask.shape), mask, passages.mask)

        at_once = max(1, _MOST_SIMILARITIES // (queries.mask.shape[1] * len(vectors)))
        blocks = zip(torch.split(queries.values, at_once), torch.split(queries.mask, at_once), strict=True)
        return torch.cat([interact(*block) for block in blocks])

    def matches(self, query: TokenBatch, passages: TokenBatch) -> list[list[Match]]:
        encoded = self.encode_queries(query), self.encode_passages(passages)
        return most_similar(*encoded, (query, passages), begin=1)  # behind [CLS]

    def longest(self) -> int:
        return max(self._query_positions, self.config.passage_length + 2)

    def parts(self) -> dict[str, list[nn.Parameter]]:
        return {"scale": [*self.scale.parameters()]}

    @property
    def _query_positions(self) -> int:
        return self.config.query_length + 2 + self.params.query_masks

    def _vectors(self, ids: Tensor, mask: Tensor, segments: Tensor, at_padding: bool = False) -> Tensor:
        vectors: Tensor = self.projection(self.states(self.backbone, ids, mask, segments, at_padding))
        return normalize(vectors, dim=2) if self.params.normalise else vectors


def _highest_summed(similarities: Tensor, queries: Tensor, passages: Tensor) -> Tensor:
    """MaxSim: for each query token, its highest similarity with a token of the passage, summed over the query's tokens.

    Turns similarities (rows, query length, passages, passage length) into (rows, passages). The mask of queries is
    (rows, query length). The mask of passages must broadcast to the similarities.
    """
    masked = similarities.masked_fill(~passages, torch.finfo(similarities.dtype).min)
    # For the gradient, `max` keeps which token was highest, while `amax` keeps all similarities. Without a gradient,
    # `amax` is faster.
    best = masked.max(-1).values if masked.requires_grad else masked.amax(-1)
    return best.masked_fill(~queries.unsqueeze(2), 0).sum(1)

"""SPLADE (Formal et al., SIGIR 2021, arXiv 2107.05720, section 3), pooled as SPLADE v2 (arXiv 2109.10086)."""

from pathlib import Path
from typing import Self

import torch
from torch import Tensor
from transformers import PreTrainedModel

from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import Encoded, RankerConfig, TokenBatch, all_products, in_float32
from distilrank.rankers.matches import Match, largest_products
from distilrank.rankers.splade.head import MaskedWordHead
from distilrank.rankers.splade.params import SpladeParams
from distilrank.rankers.transformer import TransformerRanker

# BERT's epsilon. DistilBERT's config does not name its own.
_EPSILON = 1e-12
# The most logits that are computed at once: a gibibyte in float32.
_MOST_LOGITS = 2**28
# The most entries of the vocabulary that `matches` reports.
_MOST_TERMS = 12


class SpladeRanker(TransformerRanker):
    """Gives each entry of the vocabulary a weight by a text's tokens, [CLS] and [SEP] included. Compares by dot
    product.

    The head's decoder is the backbone's table of word embeddings. It is saved once, and learns from both of its uses.
    """

    params: SpladeParams

    def __init__(self, config: RankerConfig) -> None:
        super().__init__(config)
        self.params = SpladeParams.model_validate(config.ranker)
        vocabulary, embedding_width = self._embeddings.shape
        epsilon = getattr(self.backbone.config, "layer_norm_eps", _EPSILON)
        self.head = MaskedWordHead(self.width, embedding_width, vocabulary, epsilon)
        self.post_init()

    @classmethod
    def started_from(cls, source: PreTrainedModel, config: RankerConfig, tokenizer: TextTokenizer) -> Self:
        """A ranker with the checkpoint's head, if the checkpoint holds one of BERT's or DistilBERT's kind.

        Otherwise the head starts so that a text's own words have the highest entries. Layers of a trained ranker, even
        of a SPLADE, come without a checkpoint's head.
        """
        ranker = super().started_from(source, config, tokenizer)
        if not (source.name_or_path and ranker.head.start_from(Path(source.name_or_path))):
            ranker.head.start_from_states(ranker._embeddings)
        return ranker

    def encode_queries(self, batch: TokenBatch) -> Encoded:
        return self._encode(batch)

    def encode_passages(self, batch: TokenBatch) -> Encoded:
        return self._encode(batch)

    def interact(self, queries: Encoded, passages: Encoded) -> Tensor:
        with in_float32(passages):
            return (queries.values.float() * passages.values.float()).sum((1, 2))

    def interact_all(self, queries: Encoded, passages: Encoded) -> Tensor:
        return all_products(queries, passages)

    def matches(self, query: TokenBatch, passages: TokenBatch) -> list[list[Match]]:
        return largest_products(self.encode_queries(query), self.encode_passages(passages), _MOST_TERMS)

    def penalty(self, queries: Encoded, passages: Encoded, done: float) -> Tensor:
        """FLOPS of queries and of passages (Paria et al., arXiv 2004.05665, section 4), weighted as in SPLADE v2."""
        ramp = self.params.flops_ramp
        risen = min(1.0, done / ramp) ** 2 if ramp else 1.0
        costs = self.params.flops_queries * _flops(queries) + self.params.flops_passages * _flops(passages)
        return risen * costs

    def longest(self) -> int:
        return max(self.config.query_length, self.config.passage_length) + 2

    @property
    def _embeddings(self) -> Tensor:
        """The word embeddings (vocabulary, embedding width)."""
        weight: Tensor = self.backbone.get_input_embeddings().get_parameter("weight")
        return weight

    def _encode(self, batch: TokenBatch) -> Encoded:
        """Values (rows, 1, vocabulary): the maximum over tokens of log(1 + relu(logit)), as in SPLADE v2's max
        pooling."""
        ids, mask, segments = self.framed(batch)
        states = self.states(self.backbone, ids, mask, segments)
        # Padding repeats [CLS], which changes no maximum. Masking the logits instead would copy the largest tensor
        # there is.
        states = states.where(mask.unsqueeze(2), states[:, :1])
        # The logarithm rises with the logit, so it is enough to take it of the maximum.
        values = self._highest_logits(states).float().relu().log1p()
        return Encoded(values.unsqueeze(1), mask[:, :1])

    def _highest_logits(self, states: Tensor) -> Tensor:
        """The maximum over tokens (rows, vocabulary), some rows at a time.

        In a training, too, only the logits of some rows exist at once: for the gradient, `max` keeps which token was
        highest, and no logits.
        """
        embeddings = self._embeddings
        some = max(1, _MOST_LOGITS // (states.shape[1] * len(embeddings)))
        parts = (self.head(part, embeddings) for part in torch.split(states, some))
        if torch.is_grad_enabled():
            return torch.cat([part.max(1).values for part in parts])
        return torch.cat([part.amax(1) for part in parts])  # several times as fast on a processor


def _flops(texts: Encoded) -> Tensor:
    """The sum over the vocabulary of (mean weight)^2, in which an entry that many texts share costs the most."""
    return texts.values.squeeze(1).float().mean(0).square().sum()

"""A sequence classifier with one label, of any family in transformers. Its logit is the score."""

from typing import Self, cast

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.acceleration import Acceleration
from distilrank.rankers.base import Encoded, Ranker, RankerConfig, TokenBatch, check_enough
from distilrank.rankers.classifier.params import ClassifierParams
from distilrank.rankers.framing import joined, special
from distilrank.rankers.halves import with_layers
from distilrank.rankers.transformer import first_position_of


class ClassifierRanker(Ranker):
    """Scores pairs. Encoding only passes on the token ids, since nothing can be computed before query and passage
    meet."""

    params: ClassifierParams

    def __init__(self, config: RankerConfig) -> None:
        super().__init__(config)
        self.params = ClassifierParams.model_validate(config.ranker)
        attention = Acceleration.chosen().attention
        self.network: PreTrainedModel = AutoModelForSequenceClassification.from_config(
            AutoConfig.for_model(**(config.backbone or {})),
            dtype=torch.float32,
            # Not every family has the SDPA kernel, so transformers takes it where it exists. Nothing is packed here.
            attn_implementation=None if attention in ("sdpa", "packed") else attention,
        )
        self.post_init()

    def post_init(self) -> None:
        available = self.backbone.config.max_position_embeddings - first_position_of(self.backbone)
        special_tokens = len(self.params.begin) + len(self.params.middle) + len(self.params.end)
        longest = self.config.query_length + self.config.passage_length + special_tokens
        check_enough("positions for its longest input with special tokens", longest, available)
        super().post_init()

    @classmethod
    def started_from(cls, source: PreTrainedModel, config: RankerConfig, tokenizer: TextTokenizer) -> Self:
        check_enough("word pieces", tokenizer.vocabulary_size, source.config.vocab_size)
        config.backbone = with_layers(source.config, range(source.config.num_hidden_layers)).to_dict()
        ranker = cls(config)
        ranker.network.load_state_dict(source.state_dict())
        return ranker

    @property
    def backbone(self) -> PreTrainedModel:
        """The encoder below the classifier's head, from which a student can start."""
        return cast(PreTrainedModel, self.network.base_model)

    def encode_queries(self, batch: TokenBatch) -> Encoded:
        return Encoded(batch.ids, batch.mask)

    def encode_passages(self, batch: TokenBatch) -> Encoded:
        return Encoded(batch.ids, batch.mask)

    def interact(self, queries: Encoded, passages: Encoded) -> Tensor:
        query, passage = (TokenBatch(text.values, text.mask) for text in (queries, passages))
        around = (special(ids, query) for ids in (self.params.begin, self.params.middle, self.params.end))
        begin, middle, end = around
        numbers = self.params.segments or [0] * 5
        parts = list(zip((begin, query, middle, passage, end), numbers, strict=True))
        ids, mask, segments = joined(parts, self.config.pad_token_id or 0)
        inputs = {} if self.params.segments is None else {"token_type_ids": segments}
        logits: Tensor = self.network(input_ids=ids, attention_mask=mask.long(), **inputs).logits
        return logits.squeeze(1).float()

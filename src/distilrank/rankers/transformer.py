"""What rankers on a pretrained transformer share: the backbone, its inputs, and how its weights are taken over."""

from typing import Any, Self

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel, PreTrainedModel

from distilrank.data.tokenizer import TextTokenizer
from distilrank.errors import BackboneError
from distilrank.rankers.acceleration import Acceleration
from distilrank.rankers.base import SPECIAL_TOKENS, Ranker, RankerConfig, TokenBatch, check_enough
from distilrank.rankers.framing import joined, special
from distilrank.rankers.graphs import GraphedReader
from distilrank.rankers.halves import with_layers
from distilrank.rankers.packing import packed_states, packs


class TransformerRanker(Ranker):
    """A ranker whose `backbone` is any encoder that transformers' AutoModel builds from its config."""

    def __init__(self, config: RankerConfig, pooler: bool = False) -> None:
        super().__init__(config)
        # Weights may have been published in half precision. Rankers train and score in float32.
        acceleration = Acceleration.chosen()
        self.backbone: PreTrainedModel = AutoModel.from_config(
            AutoConfig.for_model(**(config.backbone or {})),
            dtype=torch.float32,
            attn_implementation=acceleration.attention,
        )
        self._packs = packs(acceleration, self.backbone)
        self._graphed = GraphedReader() if acceleration.graphs else None
        # An unused pooler would be weights that never learn.
        if not pooler and getattr(self.backbone, "pooler", None) is not None:
            self.backbone.pooler = None

    def post_init(self) -> None:
        available = self.backbone.config.max_position_embeddings - self.first_position
        check_enough("positions for its longest input with special tokens", self.longest(), available)
        super().post_init()

    def longest(self) -> int:
        """The positions of its longest input: a query and a passage, [CLS] and two [SEP]."""
        return self.config.query_length + self.config.passage_length + SPECIAL_TOKENS

    @classmethod
    def started_from(cls, source: PreTrainedModel, config: RankerConfig, tokenizer: TextTokenizer) -> Self:
        layers = (config.ranker or {})["layers"]
        check_enough("word pieces", tokenizer.vocabulary_size, source.config.vocab_size)
        check_enough("layers", layers, source.config.num_hidden_layers)
        config.backbone = with_layers(source.config, range(layers)).to_dict()
        ranker = cls(config)
        weights = source.state_dict()
        own = ranker.backbone.state_dict()
        for name, weight in own.items():
            if (got := _shape(weights.get(name))) != _shape(weight):
                raise BackboneError(
                    f"backbone weight {name}",
                    got=got,
                    expected=_shape(weight),
                    remedy="start from a model of the same backbone that has this part",
                )
        ranker.backbone.load_state_dict({name: weights[name] for name in own})
        return ranker

    @property
    def width(self) -> int:
        """The width of the backbone's hidden states."""
        width: int = self.backbone.config.hidden_size
        return width

    @property
    def first_position(self) -> int:
        return first_position_of(self.backbone)

    def read(self, ids: Tensor, mask: Tensor, segments: Tensor) -> Any:
        """The backbone's whole output for sequences with their special tokens."""
        return self.backbone(input_ids=ids, attention_mask=mask.long(), **self.segment_inputs(segments))

    def states(
        self, model: PreTrainedModel, ids: Tensor, mask: Tensor, segments: Tensor, at_padding: bool = False
    ) -> Tensor:
        """Last hidden states (rows, length, width) of the backbone, or of a lower part of it.

        States at masked positions are meaningful only with `at_padding`.
        """
        inputs = self.segment_inputs(segments)
        if self._packs and not self.training and not at_padding:
            return packed_states(model, ids, mask, self.first_position, **inputs)
        if self._graphed and not self.training and self._graphed.reads(ids):
            return self._graphed(model, ids, mask, **inputs)
        states: Tensor = model(input_ids=ids, attention_mask=mask.long(), **inputs).last_hidden_state
        return states

    def segment_inputs(self, segments: Tensor) -> dict[str, Tensor]:
        """The segment numbers, for backbones that distinguish segments."""
        return {"token_type_ids": segments} if getattr(self.backbone.config, "type_vocab_size", 0) > 1 else {}

    def framed(self, *segments: TokenBatch, begin: bool = True, masks: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """[CLS] first [SEP] second [SEP] ... with all padding at the end: ids, mask, and segment numbers, each (rows,
        longest).

        So a row reads the same in any batch. [CLS] is left out unless `begin`. `masks` is the number of [MASK] after
        the last [SEP].
        """
        sep, mask = self.config.sep_token_id or 0, self.config.mask_token_id or 0
        parts = [(special([self.config.cls_token_id or 0], segments[0]), 0)] if begin else []
        for number, part in enumerate(segments):
            parts += [(part, number), (special([sep], part), number)]
        parts.append((special([mask] * masks, segments[0]), len(segments) - 1))
        return joined(parts, self.config.pad_token_id or 0)


def first_position_of(backbone: PreTrainedModel) -> int:
    """The number of the first position. RoBERTa counts from after its padding id, others from 0."""
    table = getattr(backbone.embeddings, "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


def _shape(weight: Tensor | None) -> str:
    return "no such weight" if weight is None else f"shape {tuple(weight.shape)}"

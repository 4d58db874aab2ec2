"""The protocol that makes every architecture one program: encode queries, encode passages, let them interact."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel


class TokenBatch(NamedTuple):
    """Bare token ids, without special tokens: ids (rows, length) int64, mask (rows, length) bool, true at tokens."""

    ids: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> "TokenBatch":
        return TokenBatch(self.ids.to(device), self.mask.to(device))


@dataclass(frozen=True)
class Encoded:
    """What a ranker computes of queries or passages apart: values (rows, length, ...), mask (rows, length)."""

    values: Tensor
    mask: Tensor

    def repeat(self, times: int) -> Self:
        """Each row `times` times, one after the other: as queries face several passages each."""
        return type(self)(self.values.repeat_interleave(times, 0), self.mask.repeat_interleave(times, 0))


class RankerConfig(PreTrainedConfig):
    """A ranker's architecture, its backbone's configuration, its lengths in tokens, and its special tokens."""

    model_type = "distilrank"

    architecture: str = ""
    backbone: dict[str, Any] | None = None
    pooling: str | None = None
    query_length: int = 0
    passage_length: int = 0
    cls_token_id: int | None = None
    sep_token_id: int | None = None
    pad_token_id: int | None = None


class Ranker(PreTrainedModel):
    """Scores passages for queries. Scores are raw float32, never squashed."""

    config_class = RankerConfig
    base_model_prefix = ""
    config: RankerConfig

    def __init__(self, config: RankerConfig) -> None:
        super().__init__(config)
        self.backbone = AutoModel.from_config(AutoConfig.for_model(**(config.backbone or {})))
        # Rankers pool for themselves; a pooler that nobody calls would be weights that nobody trains.
        if getattr(self.backbone, "pooler", None) is not None:
            self.backbone.pooler = None

    def post_init(self) -> None:
        """To be called last in every __init__: initialises the weights that are the ranker's own."""
        super().post_init()  # type: ignore[no-untyped-call]  # untyped in transformers

    def on(self, device: torch.device) -> Self:
        """Moves the weights to a device."""
        nn.Module.to(self, device)
        return self

    @abstractmethod
    def encode_queries(self, batch: TokenBatch) -> Encoded:
        """All that can be computed of queries alone."""

    @abstractmethod
    def encode_passages(self, batch: TokenBatch) -> Encoded:
        """All that can be computed of passages, and stored, before any query is known."""

    @abstractmethod
    def interact(self, queries: Encoded, passages: Encoded) -> Tensor:
        """Scores (rows,) float32 of query i with passage i."""

    def forward(self, queries: TokenBatch, passages: TokenBatch) -> Tensor:
        """Scores (rows of passages,): query i meets the i-th group of as many passages as there are for each query."""
        encoded = self.encode_queries(queries)
        group = len(passages.ids) // len(queries.ids)
        return self.interact(encoded.repeat(group), self.encode_passages(passages))

    def contextualise(self, ids: Tensor, mask: Tensor, segments: Tensor | None = None) -> Tensor:
        """The backbone's last hidden states (rows, length, width) of sequences with their special tokens."""
        inputs = {"input_ids": ids, "attention_mask": mask.long()}
        if segments is not None and getattr(self.backbone.config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = segments
        states: Tensor = self.backbone(**inputs).last_hidden_state
        return states

    def framed(self, *segments: TokenBatch) -> tuple[Tensor, Tensor, Tensor]:
        """[CLS] first [SEP] second [SEP] ... with all padding at the end: ids, mask, and segment numbers.

        Each is (rows, longest); so a row reads the same whatever batch it stands in.
        """
        rows, device = len(segments[0].ids), segments[0].ids.device
        sep = self._special(self.config.sep_token_id, rows, device)
        parts = [self._special(self.config.cls_token_id, rows, device)]
        numbers = [0]
        for number, part in enumerate(segments):
            parts += [part, sep]
            numbers += [number, number]
        ids = torch.cat([part.ids for part in parts], 1)
        mask = torch.cat([part.mask for part in parts], 1)
        widths = torch.tensor([part.ids.shape[1] for part in parts], device=device)
        segment = torch.repeat_interleave(torch.tensor(numbers, device=device), widths).expand_as(ids)
        order = torch.argsort(mask.int(), dim=1, descending=True, stable=True)[:, : int(mask.sum(1).max())]
        mask = mask.gather(1, order)
        ids = ids.gather(1, order).masked_fill(~mask, self.config.pad_token_id or 0)
        return ids, mask, segment.gather(1, order).masked_fill(~mask, 0)

    @staticmethod
    def _special(token: int | None, rows: int, device: torch.device) -> TokenBatch:
        ids = torch.full((rows, 1), token or 0, device=device)
        return TokenBatch(ids, torch.ones_like(ids, dtype=torch.bool))

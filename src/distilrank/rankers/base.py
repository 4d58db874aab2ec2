"""The protocol that makes every architecture one program: encode queries, encode passages, let them interact."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import PreTrainedConfig, PreTrainedModel

from distilrank.data.tokenizer import TextTokenizer
from distilrank.errors import BackboneError
from distilrank.rankers.matches import Match
from distilrank.rankers.params import RankerParams

# [CLS] and [SEP] come on top of the stored tokens of a query and a passage.
SPECIAL_TOKENS = 3


class TokenBatch(NamedTuple):
    """Bare token ids, without special tokens: ids (rows, length) int64, mask (rows, length) bool, true at tokens."""

    ids: Tensor
    mask: Tensor

    def to(self, device: torch.device, pinned: bool = False) -> "TokenBatch":
        """`pinned`: by way of memory that a card copies from while it computes."""
        if pinned:
            return TokenBatch(*(one.pin_memory().to(device, non_blocking=True) for one in self))
        return TokenBatch(self.ids.to(device), self.mask.to(device))


@dataclass(frozen=True)
class Encoded:
    """What a ranker computes of queries or passages apart: values (rows, length, ...), mask (rows, length)."""

    values: Tensor
    mask: Tensor

    def repeat(self, times: int) -> Self:
        """Each row `times` times, one after the other: as queries face several passages each."""
        return type(self)(self.values.repeat_interleave(times, 0), self.mask.repeat_interleave(times, 0))

    def at(self, places: Tensor) -> Self:
        """The rows at these places (rows,), each as often as it is named."""
        return type(self)(self.values[places], self.mask[places])

    def stored_bytes(self) -> float:
        """What a row takes where all of it is stored, on average: without padding, and without zeros where they are
        most of it, as in sparse vectors, with four bytes for the place of each other value.

        Token ids, which are what a text is and not computed of it, take nothing.
        """
        if not self.values.is_floating_point():
            return 0.0
        values = self.values[self.mask]
        dense, sparse = values.numel() * values.itemsize, int(values.count_nonzero()) * (values.itemsize + 4)
        return min(dense, sparse) / len(self.mask)

    @classmethod
    def joined(cls, some: Sequence[Self]) -> Self:
        """All rows, one batch after the other, filled up to the longest."""
        longest = max(one.mask.shape[1] for one in some)
        filled_up = [one.filled_up(longest) for one in some]
        return cls(torch.cat([one.values for one in filled_up]), torch.cat([one.mask for one in filled_up]))

    def filled_up(self, length: int) -> Self:
        """With padding up to `length`."""
        return type(self)(_filled_up(self.values, length), _filled_up(self.mask, length))


def in_float32(encoded: Encoded) -> torch.autocast:
    """Where scores are made: training in bfloat16 would otherwise round the products of float32 vectors too."""
    return torch.autocast(encoded.values.device.type, enabled=False)


def all_products(queries: Encoded, passages: Encoded) -> Tensor:
    """(queries, passages): the dot products of texts that are one vector each."""
    with in_float32(passages):
        return queries.values.squeeze(1).float() @ passages.values.squeeze(1).float().T


class RankerConfig(PreTrainedConfig):
    """A ranker's entry in params.yaml, its backbone's configuration, what it reads of texts, and its special tokens."""

    model_type = "distilrank"

    ranker: dict[str, Any] | None = None
    backbone: dict[str, Any] | None = None
    query_length: int = 0
    passage_length: int = 0
    query_prefix: str = ""
    passage_prefix: str = ""
    cls_token_id: int | None = None
    sep_token_id: int | None = None
    pad_token_id: int | None = None
    mask_token_id: int | None = None


class Ranker(PreTrainedModel):
    """Scores passages for queries. Scores are raw float32, never squashed."""

    config_class = RankerConfig
    base_model_prefix = ""
    config: RankerConfig
    # Its entry in params.yaml.
    params: RankerParams

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

    def interact_all(self, queries: Encoded, passages: Encoded) -> Tensor:
        """Scores (queries, passages) float32 of every query with every passage.

        Here pair by pair, on copies of both; an architecture that needs no copies says how.
        """
        count = len(passages.mask)
        every = torch.arange(count, device=passages.mask.device).repeat(len(queries.mask))
        return self.interact(queries.repeat(count), passages.at(every)).view(-1, count)

    @classmethod
    @abstractmethod
    def started_from(cls, source: PreTrainedModel, config: RankerConfig, tokenizer: TextTokenizer) -> Self:
        """A ranker on the weights of a pretrained transformer; what is its own is as the random seed has it.

        Raises BackboneError where they do not fit.
        """

    def score(self, queries: TokenBatch, passages: TokenBatch) -> Tensor:
        """Scores (rows of passages,): query i meets the i-th group of as many passages as there are for each query."""
        group = len(passages.ids) // len(queries.ids)
        return self.interact(self.encode_queries(queries).repeat(group), self.encode_passages(passages))

    def penalty(self, queries: Encoded, passages: Encoded, done: float) -> Tensor:
        """What a training adds to its loss for the texts of a batch, if the ranker is `penalised`; here nothing.

        `done` is the share of the training's steps that are done with this one.
        """
        return queries.values.new_zeros(())

    def matches(self, query: TokenBatch, passages: TokenBatch) -> list[list[Match]]:
        """What made up the score of each passage for one query; an architecture that cannot tell gives none."""
        return [[] for _ in passages.ids]

    def parts(self) -> dict[str, list[nn.Parameter]]:
        """What may learn at a rate of its own, by the name that params.yaml gives it."""
        return {}


def _filled_up(rows: Tensor, length: int) -> Tensor:
    """Rows (rows, length, ...) with zeros behind them."""
    missing = length - rows.shape[1]
    return pad(rows, (0, 0) * (rows.ndim - 2) + (0, missing)) if missing else rows


def check_enough(what: str, asked: int, available: int) -> None:
    """Raises BackboneError where a backbone has less than the params ask for."""
    if asked > available:
        raise BackboneError(
            "backbone",
            got=f"{available} {what}",
            expected=f"at least {asked}",
            remedy="ask for less in params.yaml, or name a larger backbone",
        )

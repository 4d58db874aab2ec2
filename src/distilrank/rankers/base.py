"""The protocol that all architectures share: encode queries, encode passages, let them interact."""

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

# [CLS] and two [SEP] are added to the stored tokens of a query and a passage.
SPECIAL_TOKENS = 3


class TokenBatch(NamedTuple):
    """Bare token ids, without special tokens: ids (rows, length) int64, and mask (rows, length) bool, true at
    tokens."""

    ids: Tensor
    mask: Tensor

    def to(self, device: torch.device, pinned: bool = False) -> "TokenBatch":
        """Moves the batch. `pinned`: through memory from which a card copies while it computes."""
        if pinned:
            return TokenBatch(*(one.pin_memory().to(device, non_blocking=True) for one in self))
        return TokenBatch(self.ids.to(device), self.mask.to(device))


@dataclass(frozen=True)
class Encoded:
    """What a ranker computes of queries or passages separately: values (rows, length, ...), mask (rows, length)."""

    values: Tensor
    mask: Tensor

    def repeat(self, times: int) -> Self:
        """Each row `times` times in succession, for queries that each meet several passages."""
        return type(self)(self.values.repeat_interleave(times, 0), self.mask.repeat_interleave(times, 0))

    def at(self, places: Tensor) -> Self:
        """The rows at these places (rows,), each as often as it is named."""
        return type(self)(self.values[places], self.mask[places])

    def stored_bytes(self) -> float:
        """The bytes that storing an average row takes.

        Padding is not stored. In mostly zero values, such as sparse vectors, zeros are not stored either, and each
        other value takes four more bytes for its place. Token ids take nothing, since they are the text itself and not
        computed from it.
        """
        if not self.values.is_floating_point():
            return 0.0
        values = self.values[self.mask]
        dense, sparse = values.numel() * values.itemsize, int(values.count_nonzero()) * (values.itemsize + 4)
        return min(dense, sparse) / len(self.mask)

    @classmethod
    def joined(cls, some: Sequence[Self]) -> Self:
        """All rows, one batch after the other, padded to the longest."""
        longest = max(one.mask.shape[1] for one in some)
        filled_up = [one.filled_up(longest) for one in some]
        return cls(torch.cat([one.values for one in filled_up]), torch.cat([one.mask for one in filled_up]))

    def filled_up(self, length: int) -> Self:
        """The rows with padding up to `length`."""
        return type(self)(_filled_up(self.values, length), _filled_up(self.mask, length))


def in_float32(encoded: Encoded) -> torch.autocast:
    """A block in which scores are computed in float32. Training in bfloat16 would otherwise round these products
    too."""
    return torch.autocast(encoded.values.device.type, enabled=False)


def all_products(queries: Encoded, passages: Encoded) -> Tensor:
    """The dot products (queries, passages) of texts with one vector each."""
    with in_float32(passages):
        return queries.values.squeeze(1).float() @ passages.values.squeeze(1).float().T


class RankerConfig(PreTrainedConfig):
    """A ranker's entry in params.yaml, its backbone's configuration, the lengths and prefixes of its texts, and its
    special tokens."""

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
    """Scores passages for queries. Scores are raw float32 numbers, never squashed."""

    config_class = RankerConfig
    base_model_prefix = ""
    config: RankerConfig
    # Its entry in params.yaml.
    params: RankerParams

    def post_init(self) -> None:
        """Initialises the ranker's own weights. To be called last in every __init__."""
        super().post_init()  # type: ignore[no-untyped-call]  # untyped in transformers

    def on(self, device: torch.device) -> Self:
        """Moves the weights to a device."""
        nn.Module.to(self, device)
        return self

    @abstractmethod
    def encode_queries(self, batch: TokenBatch) -> Encoded:
        """Computes all that depends on queries alone."""

    @abstractmethod
    def encode_passages(self, batch: TokenBatch) -> Encoded:
        """Computes all that depends on passages alone, and can be stored before any query is known."""

    @abstractmethod
    def interact(self, queries: Encoded, passages: Encoded) -> Tensor:
        """Scores (rows,) float32 of query i with passage i."""

    def interact_all(self, queries: Encoded, passages: Encoded) -> Tensor:
        """Scores (queries, passages) float32 of every query with every passage.

        This implementation goes pair by pair, on copies of both. An architecture that needs no copies overrides it.
        """
        count = len(passages.mask)
        every = torch.arange(count, device=passages.mask.device).repeat(len(queries.mask))
        return self.interact(queries.repeat(count), passages.at(every)).view(-1, count)

    @classmethod
    @abstractmethod
    def started_from(cls, source: PreTrainedModel, config: RankerConfig, tokenizer: TextTokenizer) -> Self:
        """A ranker on the weights of a pretrained transformer. The random seed decides its own weights.

        Raises BackboneError if the weights do not fit.
        """

    def score(self, queries: TokenBatch, passages: TokenBatch) -> Tensor:
        """Scores (rows of passages,). Query i meets the i-th group of passages, and all groups are of one size."""
        group = len(passages.ids) // len(queries.ids)
        return self.interact(self.encode_queries(queries).repeat(group), self.encode_passages(passages))

    def penalty(self, queries: Encoded, passages: Encoded, done: float) -> Tensor:
        """What a training adds to its loss for the texts of a batch if the ranker is `penalised`. By default nothing.

        `done` is the share of the training's steps that are done, including this one.
        """
        return queries.values.new_zeros(())

    def matches(self, query: TokenBatch, passages: TokenBatch) -> list[list[Match]]:
        """What contributed to each passage's score for one query. An architecture that cannot tell gives nothing."""
        return [[] for _ in passages.ids]

    def parts(self) -> dict[str, list[nn.Parameter]]:
        """The weights that may have a learning rate of their own, by their names in params.yaml."""
        return {}


def _filled_up(rows: Tensor, length: int) -> Tensor:
    """Rows (rows, length, ...) with zeros behind them."""
    missing = length - rows.shape[1]
    return pad(rows, (0, 0) * (rows.ndim - 2) + (0, missing)) if missing else rows


def check_enough(what: str, asked: int, available: int) -> None:
    """Raises BackboneError if a backbone has less than the params ask for."""
    if asked > available:
        raise BackboneError(
            "backbone",
            got=f"{available} {what}",
            expected=f"at least {asked}",
            remedy="ask for less in params.yaml, or name a larger backbone",
        )

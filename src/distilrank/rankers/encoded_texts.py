"""What a ranker computes of many texts apart, kept on its device, so that pairs with the same text share the work."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from distilrank.data.ragged import RaggedIds, Rows
from distilrank.progress import Advance
from distilrank.rankers.base import SPECIAL_TOKENS, Encoded, Ranker, TokenBatch
from distilrank.rankers.inference import each_batch
from distilrank.rankers.inputs import stored_batch
from distilrank.rankers.precision import autocast, float32_products
from distilrank.sections.precision import Precision


class ReadableEncodings(Protocol):
    """Encodings of texts by row. Each text has entries, such as vectors."""

    def lengths(self, rows: Rows) -> Rows: ...
    def read(self, rows: Rows, device: torch.device) -> Encoded: ...


@dataclass(frozen=True)
class EncodedTexts:
    """Encodings on a device: text i has `lengths[i]` rows of `values` (entries + 1, ...), the first at `starts[i]`.

    The last row is zeros, which pad shorter texts.
    """

    values: Tensor
    starts: Rows
    entries: Rows

    @classmethod
    def placed(cls, batches: list[tuple[Rows, Encoded]]) -> Self:
        """The texts of all batches, each in its row."""
        texts = sum(len(rows) for rows, _ in batches)
        starts, entries, done = np.empty(texts, np.int64), np.empty(texts, np.int64), 0
        for rows, encoded in batches:
            lengths = encoded.mask.sum(1).cpu().numpy()
            ends = done + np.cumsum(lengths)
            starts[rows], entries[rows], done = ends - lengths, lengths, int(ends[-1])
        some = [encoded.values[encoded.mask] for _, encoded in batches]
        return cls(torch.cat([*some, torch.zeros_like(batches[0][1].values[0, :1])]), starts, entries)

    @property
    def width(self) -> int:
        """The numbers of an entry."""
        return self.values[0].numel()

    def lengths(self, rows: Rows) -> Rows:
        """The number of entries (rows,) of each text."""
        return self.entries[rows]

    def read(self, rows: Rows, device: torch.device) -> Encoded:
        """The encodings of `rows`, padded to the longest."""
        lengths, padding = self.entries[rows, None], len(self.values) - 1
        steps = np.arange(max(1, int(lengths.max(initial=0))))
        mask = steps < lengths
        places = np.where(mask, self.starts[rows, None] + steps, padding)
        return Encoded(self.values[torch.from_numpy(places).to(device)], torch.from_numpy(mask).to(device))


class Read(NamedTuple):
    """Encoded texts, and how many tokens, real and padded, the ranker read for them."""

    encoded: EncodedTexts
    tokens: int
    padded_tokens: int


def encode_apart(
    encode: Callable[[TokenBatch], Encoded],
    stored: RaggedIds,
    rows: Rows,
    pad: int,
    device: torch.device,
    precision: Precision,
    budget: int | None,
) -> Read:
    """Encodes the texts in `rows`, in their order. `encode` is a ranker's encode_queries or encode_passages."""

    def encoded(batch: Rows) -> Encoded:
        with autocast(precision, device):
            return encode(stored_batch(stored, rows[batch], pad).to(device))

    lengths = stored.lengths(rows) + SPECIAL_TOKENS
    with float32_products(precision, device):
        batches = [*each_batch(lengths, encoded, device, budget)]
    padded = sum(int(lengths[batch].max()) * len(batch) for batch, _ in batches)
    return Read(EncodedTexts.placed(batches), int(lengths.sum()), padded)


def interactions(
    ranker: Ranker,
    queries: ReadableEncodings,
    query_rows: Rows,
    passages: ReadableEncodings,
    passage_rows: Rows,
    precision: Precision,
    entries_at_once: int | None,
    advance: Advance = lambda _: None,
) -> npt.NDArray[np.float32]:
    """Scores (pairs,) of query query_rows[i] and passage passage_rows[i], in batches of so many padded entries."""
    device = ranker.device

    def scored(batch: Rows) -> npt.NDArray[np.float32]:
        with autocast(precision, device):
            some = ranker.interact(queries.read(query_rows[batch], device), passages.read(passage_rows[batch], device))
        scores: npt.NDArray[np.float32] = some.cpu().numpy()
        return scores

    scores = np.empty(len(query_rows), np.float32)
    with float32_products(precision, device):
        lengths = queries.lengths(query_rows) + passages.lengths(passage_rows)
        for batch, some in each_batch(lengths, scored, device, entries_at_once):
            scores[batch] = some
            advance(len(batch))
    return scores

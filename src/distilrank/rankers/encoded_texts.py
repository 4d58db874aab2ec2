"""What a ranker computes of many texts apart, kept on its device, so that pairs with the same text share the work."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from distilrank.data.ragged import RaggedIds, Rows
from distilrank.progress import Advance
from distilrank.rankers.base import SPECIAL_TOKENS, Encoded, Ranker, TokenBatch
from distilrank.rankers.inference import copies_pinned, each_batch
from distilrank.rankers.inputs import stored_batch
from distilrank.rankers.precision import autocast, float32_products
from distilrank.sections.precision import Precision

Kept = TypeVar("Kept")


class ReadableEncodings(Protocol):
    """Encodings of texts by row. Each text has entries, such as vectors."""

    def lengths(self, rows: Rows) -> Rows: ...
    def read(self, rows: Rows, device: torch.device) -> Encoded: ...


class Entries(NamedTuple):
    """The encodings of some texts without padding, text after text: values (entries, ...), and how many each has."""

    values: Tensor
    lengths: Rows

    @classmethod
    def of(cls, encoded: Encoded) -> Self:
        return cls(encoded.values[encoded.mask], encoded.mask.sum(1).cpu().numpy())


@dataclass(frozen=True)
class EncodedTexts:
    """Encodings on a device: text i has `entries[i]` rows of `values` (all entries + 1, ...), the first at `starts[i]`.

    The last row of `values` is zeros, which pad shorter texts.
    """

    values: Tensor
    starts: Rows
    entries: Rows

    @classmethod
    def placed(cls, batches: list[tuple[Rows, Entries]]) -> Self:
        """The texts of all batches, of which there is one at least, each text in its row."""
        texts = sum(len(rows) for rows, _ in batches)
        starts, entries, done = np.empty(texts, np.int64), np.empty(texts, np.int64), 0
        for rows, (_, lengths) in batches:
            ends = done + np.cumsum(lengths)
            starts[rows], entries[rows], done = ends - lengths, lengths, int(ends[-1])
        some = [values for _, (values, _) in batches]
        return cls(torch.cat([*some, some[0].new_zeros(1, *some[0].shape[1:])]), starts, entries)

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


def each_encoded(
    encode: Callable[[TokenBatch], Encoded],
    stored: RaggedIds,
    rows: Rows,
    pad: int,
    device: torch.device,
    keep: Callable[[Encoded], Kept],
    precision: Precision = "float32",
    budget: int | None = None,
) -> Iterator[tuple[Rows, Kept]]:
    """Batches of positions in `rows`, in any order, and what `keep` makes of the encodings of each.

    `encode` is a ranker's encode_queries or encode_passages. `precision` is that of the matrix products. A batch has at
    most `budget` padded tokens.
    """
    pinned = copies_pinned(device)

    def kept(batch: Rows) -> Kept:
        with autocast(precision, device):
            return keep(encode(stored_batch(stored, rows[batch], pad).to(device, pinned)))

    with float32_products(precision, device):
        yield from each_batch(stored.lengths(rows) + SPECIAL_TOKENS, kept, device, budget)


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
    """Scores (pairs,) of query query_rows[i] and passage passage_rows[i].

    A batch has at most `entries_at_once` padded entries. None: as many as a ranker reads tokens at once.
    """
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

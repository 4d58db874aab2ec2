"""Token ids of many texts as one array with offsets: what rankers read, whatever stores it."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RaggedIds:
    """Token ids of many texts, one after the other: text i is ids[offsets[i]:offsets[i + 1]]."""

    ids: npt.NDArray[np.unsignedinteger]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> npt.NDArray[np.unsignedinteger]:
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def lengths(self, rows: Rows) -> npt.NDArray[np.int64]:
        lengths: npt.NDArray[np.int64] = self.offsets[rows + 1] - self.offsets[rows]
        return lengths

    def padded(self, rows: Rows, pad: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Ids (rows, longest) filled up with `pad`, and a mask (rows, longest) that is true at real tokens."""
        lengths = self.lengths(rows)
        mask = np.arange(max(1, int(lengths.max(initial=0)))) < lengths[:, None]
        ids = np.full(mask.shape, pad, np.int64)
        ids[mask] = self.subset(rows).ids
        return ids, mask

    def subset(self, rows: Rows) -> Self:
        """The texts of `rows` alone, in memory."""
        lengths = self.lengths(rows)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        # Where each token of row i stands: its place among all chosen tokens, moved to where row i begins.
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return type(self)(np.asarray(self.ids[places]), offsets)

    def digests(self) -> npt.NDArray[np.uint64]:
        """64 bits (texts,) that tell one sequence of tokens from another."""
        whole = (hashlib.blake2b(self[row].tobytes(), digest_size=8).digest() for row in range(len(self)))
        return np.frombuffer(b"".join(whole), np.uint64)


@dataclass(frozen=True)
class StoredTexts:
    """The token ids of queries and passages, without special tokens, and the id that pads them."""

    queries: RaggedIds
    passages: RaggedIds
    pad: int


class TripleRows(NamedTuple):
    """Triples by the rows of their texts: queries (triples,), and passages (triples, 1 + n), the positive first."""

    queries: Rows
    passages: Rows

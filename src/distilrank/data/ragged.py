"""Arrays of variable length for many texts, stored as one array with offsets: token ids, vectors, weights of terms."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RaggedIds:
    """Token ids of many texts in one array: text i is ids[offsets[i]:offsets[i + 1]]."""

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
        """Ids (rows, longest) padded with `pad`, and a mask (rows, longest) that is true at real tokens."""
        lengths = self.lengths(rows)
        mask = np.arange(max(1, int(lengths.max(initial=0)))) < lengths[:, None]
        ids = np.full(mask.shape, pad, np.int64)
        ids[mask] = self.subset(rows).ids
        return ids, mask

    def subset(self, rows: Rows) -> Self:
        """The texts of `rows` only, in memory."""
        places, offsets = _subset(self.offsets, rows)
        return type(self)(np.asarray(self.ids[places]), offsets)

    def digests(self) -> npt.NDArray[np.uint64]:
        """64-bit digests (texts,) that distinguish sequences of tokens."""
        whole = (hashlib.blake2b(self[row].tobytes(), digest_size=8).digest() for row in range(len(self)))
        return np.frombuffer(b"".join(whole), np.uint64)


@dataclass(frozen=True)
class RaggedArrays:
    """Named arrays of one length: text i has the entries from offsets[i] to offsets[i + 1] of each."""

    arrays: Mapping[str, npt.NDArray[Any]]
    offsets: npt.NDArray[np.int64]

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], lengths: npt.NDArray[np.int64]) -> Self:
        return cls(arrays, _offsets(lengths))

    @classmethod
    def placed(cls, parts: list[tuple[Rows, Self]]) -> Self:
        """The texts of all parts, each in its row. The list is emptied, so that memory holds the texts once."""
        lengths = np.empty(sum(len(rows) for rows, _ in parts), np.int64)
        for rows, part in parts:
            lengths[rows] = np.diff(part.offsets)
        offsets = _offsets(lengths)
        arrays = {
            name: np.empty((offsets[-1], *array.shape[1:]), array.dtype) for name, array in parts[0][1].arrays.items()
        }
        while parts:
            rows, part = parts.pop()
            places, _ = _subset(offsets, rows)
            for name, array in part.arrays.items():
                arrays[name][places] = array
        return cls(arrays, offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lengths(self, rows: Rows) -> npt.NDArray[np.int64]:
        lengths: npt.NDArray[np.int64] = self.offsets[rows + 1] - self.offsets[rows]
        return lengths

    def bytes_per_text(self) -> float:
        """The bytes of an average text, without its length."""
        return sum(array.nbytes for array in self.arrays.values()) / max(1, len(self))

    def places(self, rows: Rows) -> tuple[Rows, npt.NDArray[np.int64]]:
        """The positions of the entries of `rows`, row after row, and the offsets of these rows."""
        return _subset(self.offsets, rows)

    def subset(self, rows: Rows) -> Self:
        """The texts of `rows` only, in memory."""
        places, offsets = self.places(rows)
        return type(self)({name: np.asarray(array[places]) for name, array in self.arrays.items()}, offsets)

    def between(self, start: int, stop: int) -> Self:
        """The texts from `start` to `stop`, as views of the arrays."""
        offsets = self.offsets[start : stop + 1]
        part = slice(offsets[0], offsets[-1])
        return type(self)({name: array[part] for name, array in self.arrays.items()}, offsets - offsets[0])


@dataclass(frozen=True)
class StoredTexts:
    """The token ids of queries and passages, without special tokens, and the id that pads them."""

    queries: RaggedIds
    passages: RaggedIds
    pad: int


class TripleRows(NamedTuple):
    """Triples by the rows of their texts: queries (triples,), and passages (triples, 1 + n) with the positive first."""

    queries: Rows
    passages: Rows


def _offsets(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _subset(offsets: npt.NDArray[np.int64], rows: Rows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The positions of the entries of `rows`, and the offsets of these rows."""
    lengths = offsets[rows + 1] - offsets[rows]
    own = _offsets(lengths)
    # Counts up over all chosen entries, and shifts each row's to where it begins in the source.
    return np.arange(own[-1]) + np.repeat(offsets[rows] - own[:-1], lengths), own

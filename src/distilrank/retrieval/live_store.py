"""Vectors of passages that are added, replaced and deleted. A row never comes to mean another passage.

Added passages come after all rows. Deleted ones keep their rows, but are no longer found. So the rows in an index of
these vectors stay right.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from distilrank.data.ragged import Rows
from distilrank.errors import InputError, MissingInput
from distilrank.retrieval.vector_store import VECTORS_FILE, VectorStore, refuse_endless, write_ids
from distilrank.retrieval.vectors import Vectors

# The rows whose passages were deleted.
DELETED_FILE = "deleted.npy"
# Vectors that are copied at once.
_AT_ONCE = 1 << 14


class LiveStore(VectorStore):
    """Vectors on disk, and those in memory that were added since."""

    def __init__(self, base: VectorStore, deleted: Rows) -> None:
        super().__init__(base.stored, base.passage_ids)
        self.alive = np.ones(len(base.passage_ids), bool)
        self.alive[deleted] = False
        self._added = np.empty((0, base.width), base.stored.dtype)
        living = np.flatnonzero(self.alive)
        self._row_of = dict(zip(base.passage_ids.gather(living), living.tolist(), strict=True))

    @classmethod
    def read(cls, directory: Path) -> Self:
        deleted = directory / DELETED_FILE
        rows: Rows = np.load(deleted, allow_pickle=False) if deleted.is_file() else np.empty(0, np.int64)
        return cls(VectorStore.read(directory), rows)

    def write(self, directory: Path) -> None:
        """Writes all rows, so that an index of them still fits."""
        whole = np.lib.format.open_memmap(
            directory / VECTORS_FILE, mode="w+", dtype=self.stored.dtype, shape=(len(self.alive), self.width)
        )
        for start in range(0, len(self.stored), _AT_ONCE):
            whole[start : start + _AT_ONCE][: len(self.stored) - start] = self.stored[start : start + _AT_ONCE]
        whole[len(self.stored) :] = self._added
        whole.flush()
        write_ids(self.passage_ids, directory)
        np.save(directory / DELETED_FILE, np.flatnonzero(~self.alive))

    def __len__(self) -> int:
        return len(self._row_of)

    def checked(self, passage_ids: pl.Series, vectors: Vectors) -> Vectors:
        """Vectors (passages, width) as they will be stored. Raises ScoreError and InputError if they cannot be."""
        if passage_ids.is_duplicated().any():
            twice = passage_ids.filter(passage_ids.is_duplicated())[0]
            raise InputError("passages", got=f"'{twice}' twice", expected="each id once", remedy="give it once")
        if vectors.shape != (len(passage_ids), self.width):
            raise InputError(
                "passages", got=f"vectors of shape {vectors.shape}",
                expected=f"({len(passage_ids)}, {self.width})", remedy="encode them by the model of the index",
            )  # fmt: skip
        with np.errstate(over="ignore"):
            stored = vectors.astype(self.stored.dtype)
        refuse_endless(stored.astype(np.float32), passage_ids, "passage")
        return stored.astype(np.float32)

    def holds_any(self, passage_ids: pl.Series) -> bool:
        return any(one in self._row_of for one in passage_ids)

    def put(self, passage_ids: pl.Series, vectors: Vectors) -> None:
        """Adds passages whose vectors are `checked`, or replaces those that are there."""
        for passage_id in passage_ids:
            if (row := self._row_of.get(passage_id)) is not None:
                self.alive[row] = False
        first = len(self.alive)
        self._added = np.concatenate([self._added, vectors.astype(self.stored.dtype)])
        self.alive = np.concatenate([self.alive, np.ones(len(vectors), bool)])
        self.passage_ids = pl.concat([self.passage_ids, passage_ids.rename(self.passage_ids.name)])
        self._row_of |= zip(passage_ids, range(first, len(self.alive)), strict=True)

    def delete(self, passage_ids: pl.Series) -> None:
        """Deletes passages. Raises MissingInput for one that is not there, before it changes any."""
        self.alive[self.rows_of(passage_ids)] = False
        for passage_id in passage_ids.unique():
            del self._row_of[passage_id]

    def rows_of(self, passage_ids: pl.Series) -> Rows:
        try:
            return np.fromiter((self._row_of[one] for one in passage_ids), np.int64, len(passage_ids))
        except KeyError as error:
            raise MissingInput(
                f"passage {error}", got="an id that is not stored", expected="a passage of the index",
                remedy="name another, or add it",
            ) from error  # fmt: skip

    def rows(self, rows: Rows) -> Vectors:
        vectors = np.empty((*rows.shape, self.width), np.float32)
        is_added = rows >= len(self.stored)
        vectors[~is_added] = self.stored[rows[~is_added]]
        vectors[is_added] = self._added[rows[is_added] - len(self.stored)]
        return vectors

    def blocks(self) -> Iterator[tuple[Rows, Vectors]]:
        living: npt.NDArray[np.int64] = np.flatnonzero(self.alive)
        for start in range(0, len(living), _AT_ONCE):
            some = living[start : start + _AT_ONCE]
            yield some, self.rows(some)

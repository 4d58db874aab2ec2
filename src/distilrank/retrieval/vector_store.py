"""The exact vectors of passages, mapped from disk, for re-ranking, for exact search, and for building indexes."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from distilrank.artifacts.files import built
from distilrank.data.ragged import Rows
from distilrank.data.tokens import rows_of
from distilrank.errors import ScoreError
from distilrank.retrieval.vectors import Vectors

VECTORS_FILE, IDS_FILE = "vectors.npy", "passage_ids.parquet"
# Numbers of vectors in memory at once.
_AT_ONCE = 1 << 24
Stored = npt.NDArray[np.float32] | npt.NDArray[np.float16]


class VectorStore:
    """Vectors (passages, width), as float32 or float16, and the passage id of each row. The ids ascend."""

    def __init__(self, stored: Stored, passage_ids: pl.Series) -> None:
        self.stored, self.passage_ids = stored, passage_ids

    @classmethod
    def of(cls, vectors: Vectors, passage_ids: pl.Series) -> Self:
        """A store of vectors in memory. Raises ScoreError if one is not finite."""
        refuse_endless(vectors, passage_ids, "passage")
        return cls(vectors, passage_ids)

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Opens the store. Vectors stay on disk until they are read. Raises MissingInput."""
        stored: Stored = np.load(built(directory / VECTORS_FILE), mmap_mode="r", allow_pickle=False)
        return cls(stored, pl.read_parquet(built(directory / IDS_FILE))["passage_id"])

    def write(self, directory: Path) -> None:
        np.save(directory / VECTORS_FILE, self.stored, allow_pickle=False)
        write_ids(self.passage_ids, directory)

    def __len__(self) -> int:
        """How many passages there are."""
        return len(self.passage_ids)

    @property
    def width(self) -> int:
        return int(self.stored.shape[1])

    def vectors_of(self, passage_ids: pl.Series) -> Vectors:
        """The vectors (passages, width) of some passages. Raises MissingInput for one that is not stored."""
        return self.rows(self.rows_of(passage_ids))

    def rows_of(self, passage_ids: pl.Series) -> Rows:
        """The rows of passages. Raises MissingInput for one that is not stored."""
        return rows_of(passage_ids, self.passage_ids, "passage")

    def rows(self, rows: Rows) -> Vectors:
        """The vectors (..., width) in some rows (...), as float32."""
        return np.asarray(self.stored[rows], np.float32)

    def blocks(self) -> Iterator[tuple[Rows, Vectors]]:
        """All vectors as float32, block by block: the rows and vectors of each block."""
        step = max(1, _AT_ONCE // max(1, self.width))
        if len(self) <= step:
            yield self._only_block
            return
        for start in range(0, len(self), step):
            vectors = np.asarray(self.stored[start : start + step], np.float32)
            yield np.arange(start, start + len(vectors)), vectors

    @cached_property
    def _only_block(self) -> tuple[Rows, Vectors]:
        """The only block, which is kept because a server asks for it with each query."""
        return np.arange(len(self)), np.asarray(self.stored, np.float32)

    def products(self, queries: Vectors, rows: Rows) -> Vectors:
        """The inner products (queries, depth) of each query with the vectors in its rows."""
        products = np.empty(rows.shape, np.float32)
        step = max(1, _AT_ONCE // max(1, rows.shape[1] * self.width))
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            products[some] = np.einsum("qw,qdw->qd", queries[some], self.rows(rows[some]))
        return products


def write_ids(passage_ids: pl.Series, directory: Path) -> None:
    passage_ids.to_frame("passage_id").write_parquet(directory / IDS_FILE)


def refuse_endless(vectors: Vectors, ids: pl.Series, what: str) -> None:
    """Raises ScoreError for vectors that are not finite, which Faiss would silently pass over."""
    # By the extremes, which take no memory of the vectors' size.
    sound = np.isfinite(vectors.max(axis=1, initial=0)) & np.isfinite(vectors.min(axis=1, initial=0))
    if not sound.all():
        raise ScoreError(
            f"the vector of {what} '{ids[int(sound.argmin())]}'",
            got="numbers that are not finite",
            expected="finite ones",
            remedy="train its ranker again at a lower learning_rate",
        )

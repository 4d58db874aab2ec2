"""One vector per passage: the exact ones, which re-rank, and the index that searches them, by inner product."""

from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from distilrank.artifacts.files import built, read_json, write_json
from distilrank.data.runs import RUN_SCHEMA, ranked
from distilrank.data.tokens import rows_of
from distilrank.errors import ScoreError
from distilrank.retrieval.kinds import INDEX_KINDS, Flat, IndexKind
from distilrank.retrieval.vectors import Vectors

if TYPE_CHECKING:
    import faiss

VECTORS_FILE, IDS_FILE, KIND_FILE, INDEX_FILE = "vectors.npy", "passage_ids.parquet", "kind.json", "index.faiss"
# Numbers of vectors that are compared with queries at once.
_AT_ONCE = 1 << 24


class DenseIndex:
    """Passage vectors (passages, width), the passage id of each, and what searches them."""

    def __init__(self, vectors: Vectors, passage_ids: pl.Series, kind: IndexKind, index: "faiss.Index | None") -> None:
        self._vectors, self._passage_ids, self._kind, self._index = vectors, passage_ids, kind, index

    @classmethod
    def build(cls, vectors: Vectors, passage_ids: pl.Series, kind: IndexKind | None = None) -> Self:
        """Of a kind, or exact. Raises ScoreError where a vector is not finite."""
        _check(vectors, passage_ids, "passage")
        kind = kind or Flat()
        return cls(vectors, passage_ids, kind, kind.built(vectors))

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Vectors stay on disk until they are looked at. Raises MissingInput."""
        entry = read_json(built(directory / KIND_FILE))
        kind = INDEX_KINDS[entry["kind"]].model_validate(entry)
        vectors: Vectors = np.load(built(directory / VECTORS_FILE), mmap_mode="r", allow_pickle=False)
        ids = pl.read_parquet(built(directory / IDS_FILE))["passage_id"]
        return cls(vectors, ids, kind, _read(directory / INDEX_FILE))

    def write(self, directory: Path) -> None:
        np.save(directory / VECTORS_FILE, self._vectors, allow_pickle=False)
        self._passage_ids.to_frame("passage_id").write_parquet(directory / IDS_FILE)
        write_json(directory / KIND_FILE, self._kind.model_dump())
        if self._index is not None:
            import faiss

            faiss.write_index(self._index, str(directory / INDEX_FILE))

    def vectors(self, passage_ids: pl.Series) -> Vectors:
        """The exact vectors (passages, width) of some passages."""
        stored: Vectors = self._vectors[rows_of(passage_ids, self._passage_ids, "passage")]
        return stored

    def best(self, vector: Vectors, depth: int) -> pl.DataFrame:
        """The `depth` passages (passage_id, score) for one query's vector (1, width), best first."""
        return ranked(self.search(pl.Series(["query"]), vector, depth)).select("passage_id", "score")

    def search(self, query_ids: pl.Series, vectors: Vectors, depth: int) -> pl.DataFrame:
        """A run: the `depth` passages that the index finds for each query vector (queries, width), by exact products.

        An index that is not exact may find fewer, or others. Raises ScoreError where a vector is not finite.
        """
        _check(vectors, query_ids, "query")
        depth = min(depth, len(self._passage_ids))
        rows = self._kind.rows(self._index, self._vectors, vectors, depth)
        scores = _products(vectors, self._vectors, rows)
        run = pl.DataFrame(
            {
                "query_id": query_ids.gather(np.repeat(np.arange(len(query_ids)), depth)),
                "passage_id": self._passage_ids.gather(np.maximum(rows, 0).ravel()),
                "score": scores.ravel().astype(np.float64),
            },
            schema=RUN_SCHEMA,
        )
        return run.filter(pl.Series((rows >= 0).ravel()))


def _products(queries: Vectors, vectors: Vectors, rows: npt.NDArray[np.int64]) -> Vectors:
    """The inner products (queries, depth) of each query with the vectors in its rows."""
    products = np.empty(rows.shape, np.float32)
    step = max(1, _AT_ONCE // max(1, rows.shape[1] * vectors.shape[1]))
    for start in range(0, len(rows), step):
        some = slice(start, start + step)
        products[some] = np.einsum("qw,qdw->qd", queries[some], vectors[rows[some]])
    return products


def _read(index: Path) -> "faiss.Index | None":
    if not index.is_file():
        return None
    import faiss

    return faiss.read_index(str(index))


def _check(vectors: Vectors, ids: pl.Series, what: str) -> None:
    """Faiss would pass over those that are not finite, without a word."""
    # By the extremes, which take no memory of the vectors' size.
    sound = np.isfinite(vectors.max(axis=1, initial=0)) & np.isfinite(vectors.min(axis=1, initial=0))
    if not sound.all():
        raise ScoreError(
            f"the vector of {what} '{ids[int(sound.argmin())]}'",
            got="numbers that are not finite",
            expected="finite ones",
            remedy="train the ranker that made it anew, at a lower learning_rate",
        )

"""Nearest-neighbour search over one vector a passage: exact inner product, by Faiss."""

from pathlib import Path
from typing import Self

import faiss
import numpy as np
import polars as pl

from distilrank.artifacts.files import built
from distilrank.data.runs import RUN_SCHEMA, ranked
from distilrank.data.tokens import rows_of
from distilrank.errors import ScoreError
from distilrank.retrieval.vectors import Vectors

INDEX_FILE, IDS_FILE = "index.faiss", "passage_ids.parquet"


class DenseIndex:
    """Passage vectors in a Faiss index, and the passage id of each of its rows."""

    def __init__(self, index: faiss.Index, passage_ids: pl.Series) -> None:
        self._index, self._passage_ids = index, passage_ids

    @classmethod
    def build(cls, vectors: Vectors, passage_ids: pl.Series) -> Self:
        """Exact search by inner product over vectors (passages, width). Raises ScoreError where one is not finite."""
        _check(vectors, passage_ids, "passage")
        index = faiss.index_factory(vectors.shape[1], "Flat", faiss.METRIC_INNER_PRODUCT)
        index.add(vectors)
        return cls(index, passage_ids)

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Raises MissingInput."""
        ids = pl.read_parquet(built(directory / IDS_FILE))["passage_id"]
        return cls(faiss.read_index(str(built(directory / INDEX_FILE))), ids)

    def write(self, directory: Path) -> None:
        faiss.write_index(self._index, str(directory / INDEX_FILE))
        self._passage_ids.to_frame("passage_id").write_parquet(directory / IDS_FILE)

    def vectors(self, passage_ids: pl.Series) -> Vectors:
        """The stored vectors (passages, width) of some passages."""
        stored: Vectors = self._index.reconstruct_batch(rows_of(passage_ids, self._passage_ids, "passage"))
        return stored

    def best(self, vector: Vectors, depth: int) -> pl.DataFrame:
        """The `depth` passages (passage_id, score) for one query's vector (1, width), best first."""
        return ranked(self.search(pl.Series(["query"]), vector, depth)).select("passage_id", "score")

    def search(self, query_ids: pl.Series, vectors: Vectors, depth: int) -> pl.DataFrame:
        """A run: the `depth` passages with the highest inner product for each query vector (queries, width).

        Raises ScoreError where a vector is not finite.
        """
        _check(vectors, query_ids, "query")
        depth = min(depth, len(self._passage_ids))
        scores, rows = self._index.search(vectors, depth)
        return pl.DataFrame(
            {
                "query_id": query_ids.gather(np.repeat(np.arange(len(query_ids)), depth)),
                "passage_id": self._passage_ids.gather(rows.ravel()),
                "score": scores.ravel().astype(np.float64),
            },
            schema=RUN_SCHEMA,
        )


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

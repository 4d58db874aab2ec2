"""Learned sparse retrieval: an inverted index over the term weights of passages."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from distilrank.artifacts.files import built
from distilrank.data.ragged import RaggedArrays, Rows
from distilrank.data.runs import RUN_SCHEMA
from distilrank.retrieval.drawn import best
from distilrank.retrieval.encodings import Encodings
from distilrank.retrieval.maxsim import as_run
from distilrank.retrieval.passage_store import PassageStore
from distilrank.retrieval.postings import Postings
from distilrank.retrieval.vectors import Vectors
from distilrank.workers.cores import usable_cores

FILES = ("starts", "rows", "scores")
# Passages whose weights stand in memory while an index is built.
_AT_ONCE = 1 << 16


class InvertedIndex:
    """Chooses passages by all their weights, or by the highest of them. Their scores always use all weights."""

    def __init__(self, store: PassageStore, postings: Postings) -> None:
        self.store, self._postings = store, postings

    @classmethod
    def build(cls, store: PassageStore, terms: int | None = None, at_once: int = _AT_ONCE) -> Self:
        """`terms`: how many terms of a passage are kept: those with the highest weights. None: all."""
        assert store.form.vocabulary is not None

        def blocks() -> Iterator[tuple[npt.NDArray[Any], ...]]:
            for start in range(0, len(store), at_once):
                some = store.stored.between(start, start + at_once)
                kept = _highest(some, terms)
                rows = np.repeat(np.arange(len(some), dtype=np.int32), np.diff(some.offsets)) + np.int32(start)
                yield some.arrays["terms"][kept], rows[kept], some.arrays["weights"][kept]

        return cls(store, Postings.of_weights(blocks, store.form.vocabulary, len(store)))

    @classmethod
    def open(cls, directory: Path, store: PassageStore) -> Self:
        """Opens it, mapped. Raises MissingInput."""
        starts, rows, scores = (
            np.load(built(directory / f"{name}.npy"), mmap_mode="r", allow_pickle=False) for name in FILES
        )
        return cls(store, Postings(starts, rows, scores, len(store)))

    def write(self, directory: Path) -> None:
        """Writes it without the store."""
        for name in FILES:
            np.save(directory / f"{name}.npy", getattr(self._postings, name), allow_pickle=False)

    def search(self, query_ids: pl.Series, queries: Encodings, depth: int, rescored: int = 1) -> pl.DataFrame:
        """A run: the best `depth` passages of each query. The index chooses `rescored` times as many.

        Passages that share no term with a query are not found. Scores are products of all weights in the store.
        """

        def found(row: int) -> pl.DataFrame:
            query = queries.stored.subset(np.array([row])).arrays
            chosen, _ = self._postings.best(query["terms"].tolist(), depth * rescored, query["weights"].tolist())
            rows, scores = best(chosen, self._products(query["terms"], query["weights"], chosen), depth)
            return as_run(query_ids.gather([row]), self.store.passage_ids, rows[None], scores[None])

        with ThreadPoolExecutor(usable_cores()) as threads:
            return pl.concat([pl.DataFrame(schema=RUN_SCHEMA), *threads.map(found, range(len(queries)))])

    def _products(self, terms: Rows, weights: Vectors, rows: Rows) -> Vectors:
        """The products (rows,) of a query's vector and those in `rows`."""
        query = np.zeros(self.store.form.vocabulary or 0, np.float32)
        query[terms] = weights
        some = self.store.stored.subset(rows)
        products = query[some.arrays["terms"]] * some.arrays["weights"].astype(np.float32)
        of = np.repeat(np.arange(len(rows)), np.diff(some.offsets))
        return np.bincount(of, products, minlength=len(rows)).astype(np.float32)


def _highest(some: RaggedArrays, terms: int | None) -> npt.NDArray[Any]:
    """Which entries are kept, in their order: all, or the highest of each passage."""
    weights = some.arrays["weights"]
    if terms is None:
        return np.arange(len(weights))
    rows = np.repeat(np.arange(len(some)), np.diff(some.offsets))
    by_weight = np.lexsort((-weights.astype(np.float32), rows))
    return np.sort(by_weight[np.arange(len(rows)) - some.offsets[rows] < terms])

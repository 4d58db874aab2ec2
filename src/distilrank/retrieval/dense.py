"""One vector per passage: the exact vectors, which re-rank, and what searches them by inner product."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

import numpy as np
import polars as pl

from distilrank.artifacts.files import built, read_json, write_json
from distilrank.data.ragged import RaggedIds, Rows
from distilrank.data.runs import RUN_SCHEMA, top
from distilrank.errors import InputError
from distilrank.rankers.base import Encoded, Ranker
from distilrank.retrieval.index_kind import IndexKind
from distilrank.retrieval.kinds import INDEX_KINDS, Approximate, Flat
from distilrank.retrieval.live_store import DELETED_FILE, LiveStore
from distilrank.retrieval.made_from import vectors_behind
from distilrank.retrieval.passage_index import KIND_FILE, PassageIndex
from distilrank.retrieval.reranking import rerank_stored
from distilrank.retrieval.vector_store import VectorStore, refuse_endless
from distilrank.retrieval.vectors import Vectors, encode_vectors, one_vector
from distilrank.sections.precision import Precision

if TYPE_CHECKING:
    import faiss

INDEX_FILE = "index.faiss"


class DenseIndex(PassageIndex[Vectors]):
    """The exact vectors of passages, and what searches them: the vectors themselves, or an index that chooses
    passages."""

    def __init__(
        self, store: VectorStore, kind: IndexKind | None = None, index: "faiss.Index | None" = None,
        copy: "faiss.Index | None" = None,
    ) -> None:  # fmt: skip
        """`copy`: the same index on a card, for the searches that a card can do."""
        super().__init__(store.passage_ids)
        self.store, self._kind, self._index, self._copy = store, kind or Flat(), index, copy

    @classmethod
    def build(cls, vectors: Vectors, passage_ids: pl.Series, kind: IndexKind | None = None) -> Self:
        """Builds it in memory from vectors (passages, width) of passages whose ids ascend. Raises ScoreError if one
        is not finite."""
        store = VectorStore.of(vectors, passage_ids)
        if not isinstance(kind, Approximate):
            return cls(store)
        from distilrank.retrieval.faiss_index import built_index

        with TemporaryDirectory() as work:
            return cls(store, kind, built_index(kind, store, Path(work), kind.kind))

    @classmethod
    def read(cls, directory: Path, live: bool = False) -> Self:
        """Reads vectors, or an index and the vectors that it was built of. All is mapped, except for a `live` index,
        which takes changes.

        Raises MissingInput, also if the index was built of other vectors.
        """
        vectors = vectors_behind(directory)
        has_changed = live or (vectors / DELETED_FILE).is_file()
        store = LiveStore.read(vectors) if has_changed else VectorStore.read(vectors)
        if not (directory / KIND_FILE).is_file():
            return cls(store)
        from distilrank.retrieval.faiss_index import read_index
        from distilrank.retrieval.on_card import copy_on_card

        entry = read_json(directory / KIND_FILE)
        kind = INDEX_KINDS[entry["kind"]].model_validate(entry)
        assert isinstance(kind, Approximate)
        index = read_index(built(directory / INDEX_FILE), kind, mapped=not live)
        # A card can leave no rows out, and takes none of the changes.
        return cls(store, kind, index, None if has_changed else copy_on_card(index))

    def write(self, directory: Path) -> None:
        """Writes the index with its vectors, so that it needs nothing else."""
        self.store.write(directory)
        if self._index is not None:
            write_searcher(self._kind, self._index, directory)

    def put(self, passage_ids: pl.Series, vectors: Vectors) -> None:
        """Adds passages with their vectors (passages, width) to a live index, or replaces those that are there.

        Raises InputError if its kind does not allow that, and changes nothing then.
        """
        store = self._live()
        if not len(passage_ids):
            return
        stored = store.checked(passage_ids, vectors)
        if store.holds_any(passage_ids):
            self._refuse_unless_it_leaves_out()
        if self._index is not None:
            from distilrank.retrieval.faiss_index import add_vectors

            add_vectors(self._index, stored)
        store.put(passage_ids, stored)

    def delete(self, passage_ids: pl.Series) -> None:
        """Deletes passages from a live index. Raises MissingInput for a passage that is not there, InputError as `put`
        does."""
        store = self._live()
        self._refuse_unless_it_leaves_out()
        store.delete(passage_ids)

    def vectors(self, passage_ids: pl.Series) -> Vectors:
        """The exact vectors (passages, width) of some passages."""
        return self.store.vectors_of(passage_ids)

    def encoded(
        self, ranker: Ranker, queries: RaggedIds, rows: Rows, pad: int, precision: Precision = "float32"
    ) -> Vectors:
        return encode_vectors(ranker.encode_queries, queries, rows, pad, ranker.device, precision=precision)

    def of(self, encoded: Encoded) -> Vectors:
        return one_vector(encoded)

    def rerank(
        self,
        ranker: Ranker,
        query_ids: pl.Series,
        queries: Vectors,
        candidates: pl.DataFrame,
        precision: Precision = "float32",
    ) -> pl.DataFrame:
        return rerank_stored(ranker, query_ids, queries, self.store, candidates, precision)

    def stored(self, passage_ids: pl.Series) -> Vectors:
        return self.vectors(passage_ids)

    def search(self, query_ids: pl.Series, queries: Vectors, depth: int) -> pl.DataFrame:
        """A run: the `depth` passages that are found for each query vector (queries, width), by exact products.

        An index that is not exact may find fewer, or others. Raises ScoreError if a vector is not finite.
        """
        refuse_endless(queries, query_ids, "query")
        depth = min(depth, len(self.store))
        rows = self._rows(queries, depth)
        scores = self.store.products(queries, np.maximum(rows, 0))
        run = pl.DataFrame(
            {
                "query_id": query_ids.gather(np.repeat(np.arange(len(query_ids)), rows.shape[1])),
                "passage_id": self.store.passage_ids.gather(np.maximum(rows, 0).ravel()),
                "score": scores.ravel().astype(np.float64),
            },
            schema=RUN_SCHEMA,
        ).filter(pl.Series((rows >= 0).ravel()))
        return top(run, depth).drop("rank") if rows.shape[1] > depth else run

    def _rows(self, vectors: Vectors, depth: int) -> Rows:
        """The rows (queries, depth or more) of the passages that are chosen, -1 where fewer are."""
        from distilrank.retrieval.nearest import nearest

        if not depth:
            return np.empty((len(vectors), 0), np.int64)
        if self._index is None or not isinstance(self._kind, Approximate):
            return nearest(self.store, vectors, depth)
        from distilrank.retrieval.faiss_index import found_rows
        from distilrank.retrieval.on_card import MOST

        number = min(depth * self._kind.rescored, len(self.store))
        index = self._index if self._copy is None or number > MOST else self._copy
        alive = self.store.alive if isinstance(self.store, LiveStore) else None
        return found_rows(index, vectors, number, alive)

    def _live(self) -> LiveStore:
        if not isinstance(self.store, LiveStore):
            raise InputError(
                "passages", got="a change of a read-only index", expected="a live index",
                remedy="load the index with live=True",
            )  # fmt: skip
        return self.store

    def _refuse_unless_it_leaves_out(self) -> None:
        """Tries a search that must leave out rows. Raises InputError if the index cannot."""
        if self._index is None:
            return
        from distilrank.retrieval.faiss_index import found_rows

        alive = np.zeros(max(1, int(self._index.ntotal)), bool)
        found_rows(self._index, np.zeros((1, self.store.width), np.float32), 1, alive)


def write_searcher(kind: IndexKind, index: "faiss.Index", directory: Path) -> None:
    """Writes what searches, without the vectors."""
    from distilrank.retrieval.faiss_index import write_index

    write_json(directory / KIND_FILE, kind.model_dump())
    write_index(index, directory / INDEX_FILE)

"""A passage store, from which a model answers."""

from pathlib import Path
from typing import Self

import polars as pl
import torch

from distilrank.artifacts.files import built, read_json
from distilrank.data.ragged import RaggedIds, Rows
from distilrank.errors import InputError
from distilrank.rankers.base import Encoded, Ranker
from distilrank.retrieval.encodings import Encodings, encode_texts
from distilrank.retrieval.forms import form_of
from distilrank.retrieval.kinds import INDEX_KINDS
from distilrank.retrieval.passage_index import KIND_FILE, PassageIndex
from distilrank.retrieval.passage_store import PassageStore
from distilrank.retrieval.reranking import rerank_from_store
from distilrank.retrieval.store_kinds import OfStore, Search
from distilrank.sections.precision import Precision


class StoreIndex(PassageIndex[Encodings]):
    """A store, and what searches it, if anything does."""

    def __init__(self, store: PassageStore, search: Search | None = None) -> None:
        super().__init__(store.passage_ids)
        self.store, self._search, self.searches = store, search, search is not None
        # Queries stay as they were computed.
        self._form = form_of("float32", store.form.vocabulary)

    @classmethod
    def read(cls, directory: Path, store: Path, ranker: Ranker) -> Self:
        """Reads a store, or an index and the store that it searches. All is mapped. Raises MissingInput."""
        entry = read_json(built(directory / KIND_FILE))
        kind = INDEX_KINDS[entry["kind"]].model_validate(entry)
        assert isinstance(kind, OfStore)
        read = kind.read_from(PassageStore.open(store), directory)
        return cls(read, kind.search(read, directory, ranker))

    def encoded(
        self, ranker: Ranker, queries: RaggedIds, rows: Rows, pad: int, precision: Precision = "float32"
    ) -> Encodings:
        return encode_texts(ranker.encode_queries, queries, rows, pad, ranker.device, self._form, precision=precision)

    def of(self, encoded: Encoded) -> Encodings:
        return Encodings.of(encoded, self._form)

    def rerank(
        self,
        ranker: Ranker,
        query_ids: pl.Series,
        queries: Encodings,
        candidates: pl.DataFrame,
        precision: Precision = "float32",
    ) -> pl.DataFrame:
        return rerank_from_store(ranker, query_ids, queries, self.store, candidates, precision)

    def stored(self, passage_ids: pl.Series) -> Encoded:
        return self.store.read(self.store.rows(passage_ids), torch.device("cpu"))

    def search(self, query_ids: pl.Series, queries: Encodings, depth: int) -> pl.DataFrame:
        """Raises InputError if nothing searches, ScoreError if an encoding is not finite."""
        if self._search is None:
            raise InputError(
                "search",
                got="a store that only re-ranks",
                expected="one that searches",
                remedy="set `kind: maxsim` in its entry of indexes",
            )
        queries.refuse_endless(query_ids, "query")
        return self._search(query_ids, queries, depth)

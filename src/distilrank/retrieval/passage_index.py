"""What a model answers from: stored passages for re-ranking and, if they can be searched, what finds them."""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import polars as pl

from distilrank.data.ragged import RaggedIds, Rows
from distilrank.data.runs import ranked
from distilrank.errors import InputError
from distilrank.rankers.base import Encoded, Ranker
from distilrank.sections.precision import Precision

# What stands beside stored passages or an index: its entry of the params.
KIND_FILE = "kind.json"
# Encoded queries, of which a slice gives some.
Queries = TypeVar("Queries")


class PassageIndex(ABC, Generic[Queries]):
    """An index of passages whose ids ascend."""

    # Whether it can be searched.
    searches = True

    def __init__(self, passage_ids: pl.Series) -> None:
        self.passage_ids = passage_ids

    @abstractmethod
    def encoded(
        self, ranker: Ranker, queries: RaggedIds, rows: Rows, pad: int, precision: Precision = "float32"
    ) -> Queries:
        """The queries in `rows`, by the model's ranker. `precision` is that of the matrix products."""

    @abstractmethod
    def of(self, encoded: Encoded) -> Queries:
        """The form that queries take here, from what the ranker encoded."""

    @abstractmethod
    def rerank(
        self,
        ranker: Ranker,
        query_ids: pl.Series,
        queries: Queries,
        candidates: pl.DataFrame,
        precision: Precision = "float32",
    ) -> pl.DataFrame:
        """A run: the candidates (query_id, passage_id) with their scores; `query_ids` ascend, as `queries` do.

        `precision` is that of the matrix products.
        """

    @abstractmethod
    def stored(self, passage_ids: pl.Series) -> object:
        """What is stored of passages, read as re-ranking reads it."""

    @abstractmethod
    def search(self, query_ids: pl.Series, queries: Queries, depth: int) -> pl.DataFrame:
        """A run: the `depth` passages that are found for each query."""

    def put(self, passage_ids: pl.Series, vectors: Any) -> None:
        """Adds or replaces passages. Raises InputError if it takes no changes."""
        raise _no_changes()

    def delete(self, passage_ids: pl.Series) -> None:
        """Raises InputError if that cannot be."""
        raise _no_changes()

    def best(self, query: Queries, depth: int) -> pl.DataFrame:
        """The `depth` passages (passage_id, score) for one query, best first."""
        return ranked(self.search(pl.Series(["query"]), query, depth)).select("passage_id", "score")


def _no_changes() -> InputError:
    return InputError(
        "passages", got="a change of a passage store", expected="a live index of vectors",
        remedy="encode the passages again: dvc repro",
    )  # fmt: skip

"""What rankers are measured on: the test queries of a collection, their candidates, and what counts as relevant."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.config.derived import measured_on, measures_of
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.query_ranges import QueryRange
from distilrank.data.runs import RUN_SCHEMA
from distilrank.errors import CollectionError
from distilrank.evaluation.measures import measure
from distilrank.evaluation.tasks import task_of


@dataclass(frozen=True)
class TestCollection:
    """The test queries of a collection, whose name is `called`. `depth` of their candidates are re-ranked. A search
    finds `deepest`."""

    params: Params
    called: str
    collection: Collection
    qrels: dict[str, pl.DataFrame]
    relevance: dict[str, int]
    candidates: Path
    depth: int
    deepest: int
    exclude_identical_ids: bool

    # It is no test of pytest's.
    __test__ = False

    @classmethod
    def read(cls, params: Params, evaluation: str) -> Self:
        """Raises MissingInput, CollectionError if there are no test queries, ParamsError if a test set has no
        relevance."""
        on, places = measured_on(params, evaluation), layout.places_of(evaluation)
        collection = Collection.read(places.collection)
        qrels = {name: collection.qrels_of(name) for name in collection.test_sets()}
        if not qrels:
            raise CollectionError(
                places.collection, got="no test queries", expected="some", remedy="name a test set in collection.splits"
            )
        relevance = {name: params.minimum_relevance(name, evaluation) for name in qrels}
        candidates, apart = built(places.candidates / "candidates.parquet"), on.collection.exclude_identical_ids
        return cls(params, evaluation, collection, qrels, relevance, candidates, on.depth, on.candidates.depth, apart)

    @property
    def query_ids(self) -> pl.Series:
        """All that have qrels, ascending."""
        return pl.concat(one["query_id"] for one in self.qrels.values()).unique().sort()

    def ranges(self, pairs_at_once: int) -> list[QueryRange]:
        """Ranges that hold all test queries, of at most `pairs_at_once` candidates each."""
        some = self.query_ids.to_frame().iter_slices(max(1, pairs_at_once // max(self.depth, self.deepest)))
        return [QueryRange(one["query_id"][0], one["query_id"][-1]) for one in some]

    def queries(self, queries: QueryRange) -> pl.Series:
        """The ids of a range's test queries, ascending."""
        return queries.of(self.query_ids.to_frame().lazy()).collect().to_series()

    def texts(self, queries: QueryRange) -> pl.DataFrame:
        """The range's test queries (query_id, text, split), ascending."""
        return self.collection.queries.join(self.queries(queries).to_frame(), on="query_id", how="semi")

    def found(self, queries: QueryRange) -> pl.DataFrame:
        """The first stage's run, with as many passages as a search finds."""
        return queries.of(self._first(self.deepest)).select(list(RUN_SCHEMA)).collect()

    def best(self, queries: QueryRange) -> pl.DataFrame:
        """The candidates (query_id, passage_id, score) that are re-ranked."""
        return queries.of(self._first(self.depth)).select(list(RUN_SCHEMA)).collect()

    def re_ranked(self) -> pl.Series:
        """The ids of all passages that are re-ranked, ascending."""
        return self._first(self.depth).select("passage_id").unique().collect(engine="streaming").to_series().sort()

    def _first(self, depth: int) -> pl.LazyFrame:
        every = pl.scan_parquet(self.candidates).filter(pl.col("rank") <= depth)
        return every.join(self.query_ids.to_frame().lazy(), on="query_id", how="semi", maintain_order="left")

    def measured(self, kind: str, run: pl.DataFrame, queries: QueryRange) -> Iterator[pl.DataFrame]:
        """The measures of a run of a range, by test set: (task, query_id, measure, value)."""
        for name, qrels in self.qrels.items():
            judged = queries.of(qrels.lazy()).collect()
            own = run.join(judged, on="query_id", how="semi")
            values = measure(own, judged, self.relevance[name], measures_of(self.params, kind, self.called))
            task = task_of(name, kind, list(self.qrels), self.called)
            yield values.select(pl.lit(task).alias("task"), pl.all())

"""audit: compares approximate indexes with the exact search of the same vectors: what they find, and what they take."""

import time
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.costs import Cost
from distilrank.artifacts.manifest import digest
from distilrank.config.derived import built_indexes, measures_of, tokens_of
from distilrank.config.params import Params
from distilrank.config.starts import student_of
from distilrank.data.runs import found
from distilrank.data.tokens import TokenStore
from distilrank.errors import AuditError
from distilrank.evaluation.latency import TOP_K, machine, percentiles
from distilrank.evaluation.measures import means, measure
from distilrank.evaluation.tasks import RETRIEVE
from distilrank.indexed import load_indexed
from distilrank.progress import progress
from distilrank.results.index_audit import Audited, IndexAudit
from distilrank.retrieval.passage_index import PassageIndex
from distilrank.stages.test_collection import TestCollection

DEPTHS = (10, 100, 1000)
# How often many queries are searched at once; the fastest counts, since other work can only slow it down.
_TIMES = 3
# Files of vectors, weights and indexes.
_SEARCHED = (".npy", ".faiss")


def audit(params: Params) -> None:
    """Writes evaluation/audit.json. Raises AuditError for an index whose recall@10 is below its floor."""
    test = TestCollection.read(params, layout.OWN)
    query_ids = _drawn(test.query_ids, params.audit.queries)
    exact: dict[str, Audited] = {}
    indexes: dict[str, Audited] = {}
    every = sorted(built_indexes(params), key=lambda one: one.model)
    with progress("indexes audited", len(every)) as advance:
        for model, built in groupby(every, key=lambda one: one.model):
            searches = _Searches.of(params, test, model, query_ids)
            exact[model] = searches.audited(searches.exact, layout.VECTORS / model, model, searches.kind)
            for one in built:
                index, kind = load_indexed(params, one.name).index, params.indexes[one.entry].kind
                assert index is not None
                indexes[one.name] = searches.audited(index, layout.INDEXES / one.name, one.entry, kind)
                advance(1)
    _refuse_below_floors(params, indexes)
    measured = {str(place): digest(place) for place in (layout.INDEXES / name for name in indexes)}
    passages = len(test.collection.passage_ids())
    IndexAudit(machine(), TOP_K, len(query_ids), passages, measured, exact, indexes).write()


def _drawn(query_ids: pl.Series, queries: int) -> pl.Series:
    """Draws test queries: always the same ones, ascending."""
    rows = np.random.default_rng(0).choice(len(query_ids), min(queries, len(query_ids)), replace=False)
    return query_ids.gather(np.sort(rows))


@dataclass(frozen=True)
class _Searches:
    """The test queries as a model encodes them, and what the exact search of its vectors finds, by depth."""

    params: Params
    test: TestCollection
    model: str
    query_ids: pl.Series
    kind: str
    queries: Any
    exact: PassageIndex[Any]
    found: dict[int, pl.DataFrame]

    @classmethod
    def of(cls, params: Params, test: TestCollection, model: str, query_ids: pl.Series) -> "_Searches":
        loaded, tokens = load_indexed(params, model), TokenStore.open(tokens_of(params, model))
        queries, exact = loaded.encoded_queries(tokens, query_ids), loaded.index
        assert exact is not None
        depths = [depth for depth in DEPTHS if depth <= len(exact.passage_ids)]
        searched = {depth: exact.search(query_ids, queries, depth) for depth in depths}
        kind = params.indexes[student_of(model)].kind
        return cls(params, test, model, query_ids, kind, queries, exact, searched)

    def audited(self, index: PassageIndex[Any], place: Path, entry: str, kind: str) -> Audited:
        """`place` holds what is searched."""
        cost = Cost.of(place)
        return Audited(
            self.model,
            entry,
            kind,
            {str(depth): self._recall(index, depth) for depth in self.found},
            self._effectiveness(index),
            self._queries_per_second(index),
            self._milliseconds(index),
            round(_bytes_in(place) / len(self.exact.passage_ids), 1),
            cost.seconds if cost else None,
        )

    def _recall(self, index: PassageIndex[Any], depth: int) -> float:
        expected, got = self.found[depth], index.search(self.query_ids, self.queries, depth)
        both = expected.join(got, on=["query_id", "passage_id"], how="semi")
        # Of nothing, nothing is lost.
        return round(len(both) / len(expected), 4) if len(expected) else 1.0

    def _effectiveness(self, index: PassageIndex[Any]) -> dict[str, float]:
        """Means over all queries. Each query counts by the relevance of its test set."""
        search = partial(index.search, self.query_ids, self.queries)
        run = found(search, self.test.deepest, self.test.exclude_identical_ids)
        asked = self.query_ids.to_frame()
        tables = []
        for name, qrels in self.test.qrels.items():
            judged = qrels.join(asked, on="query_id", how="semi")
            own = run.join(judged, on="query_id", how="semi")
            tables.append(measure(own, judged, self.test.relevance[name], measures_of(self.params, RETRIEVE)))
        return {name: round(value, 4) for name, value in means(pl.concat(tables)).items()}

    def _queries_per_second(self, index: PassageIndex[Any]) -> float:
        seconds = []
        for _ in range(_TIMES):
            began = time.perf_counter()
            index.search(self.query_ids, self.queries, TOP_K)
            seconds.append(time.perf_counter() - began)
        return round(len(self.query_ids) / min(seconds), 1)

    def _milliseconds(self, index: PassageIndex[Any]) -> dict[str, float]:
        """Percentiles of one query at a time."""
        number = min(self.params.audit.single_queries, len(self.query_ids))
        times = []
        for row in range(number):
            began = time.perf_counter()
            index.best(self.queries[row : row + 1], TOP_K)
            times.append((time.perf_counter() - began) * 1000)
        return percentiles(times)


def _bytes_in(place: Path) -> int:
    """The size of the files that a search reads: without ids and manifests."""
    return sum(file.stat().st_size for file in place.iterdir() if file.suffix in _SEARCHED)


def _refuse_below_floors(params: Params, indexes: dict[str, Audited]) -> None:
    """Raises AuditError with a line per index that is below its floor."""
    lines = []
    for name, one in indexes.items():
        floor, recall = params.audit.floors.get(one.entry), one.recall.get("10", 1.0)
        if floor is not None and recall < floor:
            error = AuditError(
                f"audit: {name}",
                got=f"recall@10 of {recall:.3f}",
                expected=f"at least {floor}, as audit.floors.{one.entry} says",
                remedy=f"let indexes.{one.entry} search more, choose another kind, or lower the floor",
            )
            lines.append(str(error))
    if lines:
        raise AuditError.of_lines(lines)

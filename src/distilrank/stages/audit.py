"""audit: compares indexes with the exact vectors that they are built of: what they find, and what they take.

An index is compared by searching if its student searches, and otherwise by re-ranking.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.costs import Cost
from distilrank.artifacts.manifest import digest
from distilrank.config.derived import built_indexes, measures_of, tokens_of
from distilrank.config.params import Params
from distilrank.config.starts import student_of
from distilrank.data.runs import found, top
from distilrank.data.tokens import TokenStore
from distilrank.errors import AuditError
from distilrank.evaluation.latency import TOP_K, machine, percentiles
from distilrank.evaluation.measures import means, measure
from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.model import Model
from distilrank.progress import progress
from distilrank.rankers.base import Ranker
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
            asked = _asked(params, test, model, query_ids)
            answers = asked.answers(asked.exact)
            kind = params.indexes[student_of(model)].kind
            exact[model] = asked.audited(asked.exact, answers, answers, layout.VECTORS / model, model, kind)
            for one in built:
                place, kind = layout.INDEXES / one.name, params.indexes[one.entry].kind
                index = Model.load(layout.MODELS / model, place).index
                assert index is not None
                indexes[one.name] = asked.audited(index, asked.answers(index), answers, place, one.entry, kind)
                advance(1)
    _refuse_below_floors(params, indexes)
    measured = {str(place): digest(place) for place in (layout.INDEXES / name for name in indexes)}
    passages = len(test.collection.passage_ids())
    IndexAudit(machine(), TOP_K, len(query_ids), passages, measured, exact, indexes).write()


def _drawn(query_ids: pl.Series, queries: int) -> pl.Series:
    """Draws test queries: always the same ones, ascending."""
    rows = np.random.default_rng(0).choice(len(query_ids), min(queries, len(query_ids)), replace=False)
    return query_ids.gather(np.sort(rows))


def _asked(params: Params, test: TestCollection, model: str, query_ids: pl.Series) -> "_Asked":
    loaded = Model.load(layout.MODELS / model, layout.VECTORS / model)
    exact = loaded.index
    assert exact is not None
    kind = _Searching if exact.searches else _ReRanking
    precision = "float32" if exact.searches else params.evaluation.precision
    queries = loaded.encoded_queries(TokenStore.open(tokens_of(params, model)), query_ids, precision)
    return kind(params, test, model, query_ids, queries, loaded.ranker, exact)


class _Answers(NamedTuple):
    """What an index answers to all queries: its best passages by depth, the run that is measured, and its rate."""

    best: Mapping[int, pl.DataFrame]
    run: pl.DataFrame
    queries_per_second: float


@dataclass(frozen=True)
class _Asked(ABC):
    """The test queries as a model encodes them, and what holds its exact vectors."""

    task: ClassVar[str]

    params: Params
    test: TestCollection
    model: str
    query_ids: pl.Series
    queries: Any
    ranker: Ranker
    exact: PassageIndex[Any]

    @abstractmethod
    def answers(self, index: PassageIndex[Any]) -> _Answers: ...

    @abstractmethod
    def asking(self, index: PassageIndex[Any], row: int) -> Callable[[], object]:
        """What asks one query."""

    def audited(
        self, index: PassageIndex[Any], answers: _Answers, exact: _Answers, place: Path, entry: str, kind: str
    ) -> Audited:
        """An index and its answers, beside the exact ones. `place` holds what it reads."""
        cost = Cost.of(place)
        return Audited(
            self.model,
            entry,
            kind,
            self.task,
            {str(depth): _recall(best, answers.best[depth]) for depth, best in exact.best.items()},
            self._effectiveness(answers.run),
            answers.queries_per_second,
            self._milliseconds(index),
            round(_bytes_in(place) / len(self.exact.passage_ids), 1),
            cost.seconds if cost else None,
        )

    def _effectiveness(self, run: pl.DataFrame) -> dict[str, float]:
        """Means over all queries. Each query counts by the relevance of its test set."""
        asked = self.query_ids.to_frame()
        tables = []
        for name, qrels in self.test.qrels.items():
            judged = qrels.join(asked, on="query_id", how="semi")
            own = run.join(judged, on="query_id", how="semi")
            tables.append(measure(own, judged, self.test.relevance[name], measures_of(self.params, self.task)))
        return {name: round(value, 4) for name, value in means(pl.concat(tables)).items()}

    def _milliseconds(self, index: PassageIndex[Any]) -> dict[str, float]:
        """Percentiles of one query at a time."""
        number = min(self.params.audit.single_queries, len(self.query_ids))
        times = []
        for row in range(number):
            ask, began = self.asking(index, row), time.perf_counter()
            ask()
            times.append((time.perf_counter() - began) * 1000)
        return percentiles(times)

    def _rate(self, began: float) -> float:
        """Queries per second, of all queries since then."""
        return round(len(self.query_ids) / (time.perf_counter() - began), 1)


class _Searching(_Asked):
    task = RETRIEVE

    def answers(self, index: PassageIndex[Any]) -> _Answers:
        search = partial(index.search, self.query_ids, self.queries)
        best = {depth: search(depth) for depth in DEPTHS if depth <= len(self.exact.passage_ids)}
        run = found(search, self.test.deepest, self.test.exclude_identical_ids)
        return _Answers(best, run, max(self._searched(index) for _ in range(_TIMES)))

    def asking(self, index: PassageIndex[Any], row: int) -> Callable[[], object]:
        return partial(index.best, self.queries[row : row + 1], TOP_K)

    def _searched(self, index: PassageIndex[Any]) -> float:
        began = time.perf_counter()
        index.search(self.query_ids, self.queries, TOP_K)
        return self._rate(began)


class _ReRanking(_Asked):
    """Each query's candidates are re-ranked, once: for some rankers this takes long."""

    task = RERANK

    def answers(self, index: PassageIndex[Any]) -> _Answers:
        re_rank, began = self._re_ranking(index, self.query_ids, self.queries, self._candidates), time.perf_counter()
        run, rate = re_rank(), self._rate(began)
        # At the depth of re-ranking, every order has the same passages.
        return _Answers({depth: top(run, depth) for depth in DEPTHS if depth < self.test.depth}, run, rate)

    def asking(self, index: PassageIndex[Any], row: int) -> Callable[[], object]:
        one = self.query_ids[row : row + 1]
        own = self._candidates.join(one.to_frame(), on="query_id", how="semi")
        return self._re_ranking(index, one, self.queries[row : row + 1], own)

    def _re_ranking(
        self, index: PassageIndex[Any], query_ids: pl.Series, queries: Any, candidates: pl.DataFrame
    ) -> Callable[[], pl.DataFrame]:
        return partial(index.rerank, self.ranker, query_ids, queries, candidates, self.params.evaluation.precision)

    @cached_property
    def _candidates(self) -> pl.DataFrame:
        every = map(self.test.best, self.test.ranges(self.params.scoring.pairs_at_once))
        return pl.concat(some.join(self.query_ids.to_frame(), on="query_id", how="semi") for some in every)


def _recall(expected: pl.DataFrame, got: pl.DataFrame) -> float:
    both = expected.join(got, on=["query_id", "passage_id"], how="semi")
    # Of nothing, nothing is lost.
    return round(len(both) / len(expected), 4) if len(expected) else 1.0


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

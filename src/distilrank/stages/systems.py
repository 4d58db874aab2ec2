"""systems: measures systems of several rankers on the test queries of each collection that their members search.

What `evaluate` found by a member is read. A member searches again only where that is missing. Memory holds one range of
test queries at a time.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import Draft, whole_directory
from distilrank.artifacts.files import built, write_json
from distilrank.artifacts.work import work_directory
from distilrank.config.derived import measured_on, searching, tokens_of
from distilrank.config.params import Params
from distilrank.config.systems import leaves, measured_systems
from distilrank.data.query_ranges import QueryRange
from distilrank.data.runs import RUN_SCHEMA, add_trec, scan_trec, top
from distilrank.evaluation.tasks import RETRIEVE
from distilrank.retrieval.fusion import reciprocal_rank_fusion, reranked_first, weighted_sum
from distilrank.sections.systems import Cascade, ReciprocalRanks, WeightedSum
from distilrank.stages.fusion_weights import fusion_weights
from distilrank.stages.searches import inputs_of_search, search_by
from distilrank.stages.test_collection import TestCollection

# A run (query_id, passage_id, score) of a range of test queries.
RunOf = Callable[[QueryRange], pl.DataFrame]
RUN = layout.run_of("", RETRIEVE).name


def systems(params: Params) -> None:
    """Writes evaluation/systems/<on>/<system>/, with retrieve.trec and measures.parquet (task, query_id, measure,
    value), and evaluation/systems/<system>.weights.json, the weights of a weighted sum.

    Raises MissingInput, CollectionError, ScoreError for a score that has no rank.
    """
    used, inputs = _used(params), _inputs(params)
    with (
        work_directory("systems", "systems", used, inputs) as work,
        whole_directory(layout.SYSTEMS, "distilrank systems", used, inputs) as draft,
    ):
        weights = {name: _write_weights(params, name, system, draft, work) for name, system in _weighted(params)}
        for on, measured in groupby(measured_systems(params), key=lambda one: one[0]):
            answers = _Answers(params, TestCollection.read(params, on), weights, draft, work / on)
            for _, name in measured:
                answers.write(name)
        draft.counts["systems"] = len(params.systems)


def _used(params: Params) -> dict[str, Any]:
    return {
        "systems": {name: system.model_dump() for name, system in params.systems.items()},
        "evaluation": params.evaluation.model_dump(),
        "validation": params.validation.model_dump(include={"measure", "queries"}),
    }


def _weighted(params: Params) -> list[tuple[str, WeightedSum]]:
    return [(name, system) for name, system in params.systems.items() if isinstance(system, WeightedSum)]


def _write_weights(params: Params, name: str, system: WeightedSum, draft: Draft, work: Path) -> Mapping[str, float]:
    weights, tuned = fusion_weights(params, system, work / name)
    told = {"weights": weights, "tuned": tuned and tuned._asdict()}
    write_json(draft.path / layout.weights_of(name).relative_to(layout.SYSTEMS), told)
    return weights


def _inputs(params: Params) -> list[Path]:
    """Collections and candidates; what the members found, and what they search by; what re-ranks."""
    found: dict[Path, None] = {}
    for on, name in measured_systems(params):
        system, places = params.systems[name], layout.places_of(on)
        found |= dict.fromkeys([places.collection, places.candidates])
        for member in leaves(params, name):
            found |= dict.fromkeys([layout.runs_of(member, on)] if _is_measured(params, member, on) else [])
            found |= dict.fromkeys(inputs_of_search(params, member))
        if isinstance(system, Cascade):
            found |= dict.fromkeys([layout.MODELS / system.rerank, tokens_of(params, system.rerank, on)])
    return [*found]


def _is_measured(params: Params, member: str, on: str) -> bool:
    """Whether `evaluate` searched by it."""
    return member == measured_on(params, on).candidates.first_stage() or member in searching(params, on)


@dataclass(frozen=True)
class _Answers:
    """What systems find for the test queries of a collection. The draft holds those that are written."""

    params: Params
    test: TestCollection
    weights: Mapping[str, Mapping[str, float]]
    draft: Draft
    work: Path

    @cached_property
    def ranges(self) -> list[QueryRange]:
        return self.test.ranges(self.params.scoring.pairs_at_once)

    def write(self, name: str) -> None:
        """A system's run and its measures, and its weights if it has any."""
        folder = self._folder(name)
        folder.mkdir(parents=True)
        with self._answered(name) as answer, (folder / RUN).open("wb") as file:
            tables = [
                table for queries in self.ranges for table in self._measured(name, answer(queries), queries, file)
            ]
        # In an order that no range decides.
        pl.concat(tables).sort("task", "query_id", maintain_order=True).write_parquet(folder / layout.MEASURES.name)

    def _measured(self, name: str, run: pl.DataFrame, queries: QueryRange, file: BinaryIO) -> Iterator[pl.DataFrame]:
        add_trec(run, file, name)
        yield from self.test.measured(RETRIEVE, run, queries)

    @contextmanager
    def _answered(self, name: str) -> Iterator[RunOf]:
        """The function that makes the run of a range."""
        system = self.params.systems[name]
        if isinstance(system, Cascade):
            with self._cascaded(name, system) as answer:
                yield answer
        else:
            found = {member: self._found(member, system.depth) for member in system.fuse}
            yield lambda queries: self._fused(name, {member: run_of(queries) for member, run_of in found.items()})

    def _fused(self, name: str, runs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        system = self.params.systems[name]
        if isinstance(system, WeightedSum):
            return weighted_sum(runs, self.weights[name], system.scale)
        assert isinstance(system, ReciprocalRanks)
        return reciprocal_rank_fusion([*runs.values()], system.k)

    @contextmanager
    def _cascaded(self, name: str, system: Cascade) -> Iterator[RunOf]:
        # Torch, which a fusion does without.
        from distilrank.stages.rankings import Rankings

        first = self._found(system.first, self.test.deepest)
        given = _BestOf(first, system.depth, self.ranges)
        ranker = Rankings(self.params, system.rerank, self.test, self.ranges, self.work / name, given)
        with closing(ranker.runs()) as runs:
            _, reranked = next(runs)
            yield lambda queries: reranked_first(reranked(queries), first(queries))

    def _found(self, name: str, depth: int) -> RunOf:
        """A system's or member's best passages: as they were found before, or as it finds them here."""
        if name in self.params.systems or _is_measured(self.params, name, self.test.called):
            return partial(self._read, name, depth)
        search = search_by(self.params, name, depth, self.work / name, self.test.called)
        return lambda queries: search(self.test.texts(queries))

    def _read(self, name: str, depth: int, queries: QueryRange) -> pl.DataFrame:
        folder = self._folder(name) if name in self.params.systems else layout.runs_of(name, self.test.called)
        run = scan_trec(built(folder / RUN))
        return queries.of(run.filter(pl.col("rank") <= depth)).select(list(RUN_SCHEMA)).collect()

    def _folder(self, name: str) -> Path:
        return self.draft.path / layout.system_of(name, self.test.called).relative_to(layout.SYSTEMS)


@dataclass(frozen=True)
class _BestOf:
    """The first `depth` passages of a run, for a ranker to re-rank."""

    run_of: RunOf
    depth: int
    ranges: list[QueryRange]

    def best(self, queries: QueryRange) -> pl.DataFrame:
        return top(self.run_of(queries), self.depth).drop("rank")

    def re_ranked(self) -> pl.Series:
        every = pl.concat(self.best(queries).select("passage_id").unique() for queries in self.ranges)
        return every.to_series().unique().sort()

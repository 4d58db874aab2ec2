"""evaluate: a ranker on a test collection, re-ranking candidates and, where it can, searching all passages.

Whatever its score store holds is not scored again. In memory stands one range of queries at a time.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import Draft, whole_directory
from distilrank.artifacts.manifest import digest, read_manifest
from distilrank.artifacts.work import work_directory
from distilrank.config.derived import evaluated, measured_names, measured_on, searched_by_index, tokens_of
from distilrank.config.params import Params
from distilrank.data.qrels import write_qrels
from distilrank.data.query_ranges import QueryRange
from distilrank.data.runs import add_trec
from distilrank.errors import InputError, MissingInput
from distilrank.progress import progress
from distilrank.stages.rankings import Rankings, RunOf
from distilrank.stages.test_collection import TestCollection


def evaluate(params: Params, ranker: str, on: str) -> None:
    """Writes evaluation/runs/<on>/<ranker>/: runs in TREC form and measures.parquet, (task, query_id, measure, value).

    Raises InputError for a ranker or collection that the params do not name, MissingInput, CollectionError, and
    ScoreError for a score that has no rank.
    """
    if (on, ranker) not in (known := evaluated(params)):
        names = ", ".join(name for place, name in known if place == on) or f"on {layout.OWN}"
        raise InputError("evaluate", got=f"{ranker} on {on}", expected=f"one of {names}", remedy="name one of these")
    test, used = TestCollection.read(params, on), params.evaluation.model_dump()
    ranges = test.ranges(params.scoring.pairs_at_once)
    inputs = _inputs(params, ranker, on)
    with (
        work_directory(f"evaluate-{on}-{ranker}", "evaluate", used, inputs) as work,
        whole_directory(layout.runs_of(ranker, on), f"distilrank evaluate {ranker} {on}", used, inputs) as draft,
        closing(Rankings(params, ranker, test, ranges, work).runs()) as runs,
    ):
        tables = [table for kind, run_of in runs for table in _written(draft, ranker, kind, run_of, test, ranges)]
        pl.concat(tables).write_parquet(draft.path / layout.MEASURES.name)
        draft.counts["queries"] = len(test.query_ids)
        if ranker == measured_on(params, on).candidates.first_stage():
            write_qrels(test.collection, draft.path)


def _inputs(params: Params, ranker: str, on: str) -> list[Path]:
    places = layout.places_of(on)
    own = [places.collection, places.candidates]
    if ranker == measured_on(params, on).candidates.first_stage():
        return own
    model = [layout.MODELS / ranker] if ranker in measured_names(params) else []
    index = [_index_of(layout.MODELS / ranker)] if ranker in searched_by_index(params, on) else []
    return [*own, tokens_of(params, ranker, on), *model, *index]


def _written(
    draft: Draft, ranker: str, kind: str, run_of: RunOf, test: TestCollection, ranges: list[QueryRange]
) -> Iterator[pl.DataFrame]:
    """Writes a run, range by range, and gives its measures."""
    with (
        (draft.path / layout.run_of(ranker, kind).name).open("wb") as file,
        progress(f"queries measured, {ranker} by {kind}", len(test.query_ids)) as advance,
    ):
        for queries in ranges:
            run = run_of(queries)
            add_trec(run, file, ranker)
            draft.counts[f"{kind} passages"] = draft.counts.get(f"{kind} passages", 0) + len(run)
            yield from test.measured(kind, run, queries)
            advance(len(test.queries(queries)))


def _index_of(model: Path) -> Path:
    """The index's directory. Raises MissingInput where it is absent, or holds another model's vectors."""
    index = layout.INDEXES / model.name
    if read_manifest(index).inputs[str(model)] != digest(model):
        raise MissingInput(
            index, got="the vectors of another model", expected=f"those of {model}", remedy="build it with `dvc repro`"
        )
    return index

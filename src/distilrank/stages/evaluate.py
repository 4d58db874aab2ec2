"""evaluate: measures a ranker on a test collection. It re-ranks candidates and, if it can, searches all passages.

Pairs in its score store are not scored again. Memory holds one range of queries at a time.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import Draft, whole_directory
from distilrank.artifacts.work import work_directory
from distilrank.config.derived import (
    evaluated,
    measured_names,
    measured_on,
    searching,
    starts,
    stored_vectors_of,
    tokens_of,
)
from distilrank.config.names import BACKBONE
from distilrank.config.params import Params
from distilrank.data.qrels import write_qrels
from distilrank.data.query_ranges import QueryRange
from distilrank.data.runs import add_trec
from distilrank.errors import InputError
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
    test, inputs = TestCollection.read(params, on), _inputs(params, ranker, on)
    ranges, used = test.ranges(params.scoring.pairs_at_once), _used(params, ranker, test)
    with (
        work_directory(f"evaluate-{on}-{ranker}", "evaluate", used, inputs) as work,
        whole_directory(layout.runs_of(ranker, on), f"distilrank evaluate {ranker} {on}", used, inputs) as draft,
        closing(Rankings(params, ranker, test, ranges, work).runs()) as runs,
    ):
        tables = [table for kind, run_of in runs for table in _written(draft, ranker, kind, run_of, test, ranges)]
        # In an order that no range decides.
        measures = pl.concat(tables).sort("task", "query_id", maintain_order=True)
        measures.write_parquet(draft.path / layout.MEASURES.name)
        draft.counts["queries"] = len(test.query_ids)
        if ranker == measured_on(params, on).candidates.first_stage():
            write_qrels(test.collection, draft.path)


def _used(params: Params, ranker: str, test: TestCollection) -> dict[str, Any]:
    """What decides on the runs besides the inputs. A killed evaluation goes on only if this is the same."""
    start = next((one for one in starts(params) if one.name == ranker), None)
    untrained = params.student(start.student).model_dump() | {"from": start.source.told()} if start else None
    return {
        "evaluation": params.evaluation.model_dump(),
        "depth": test.depth,
        "deepest": test.deepest,
        "searches": ranker in searching(params, test.called),
        "encoding": params.encoding.model_dump(),
        "untrained": untrained,
        "backbone": params.backbone.model_dump() if start or ranker == BACKBONE else None,
    }


def _inputs(params: Params, ranker: str, on: str) -> list[Path]:
    places = layout.places_of(on)
    own = [places.collection, places.candidates]
    if ranker == measured_on(params, on).candidates.first_stage():
        return own
    begun_from = next((one.source.model for one in starts(params) if one.name == ranker), None)
    models = [begun_from] if begun_from else [ranker] if ranker in measured_names(params) else []
    model = [layout.MODELS / name for name in models]
    vectors = stored_vectors_of(params, ranker, on)
    return [*own, tokens_of(params, ranker, on), *model, *([vectors] if vectors else [])]


def _written(
    draft: Draft, ranker: str, kind: str, run_of: RunOf, test: TestCollection, ranges: list[QueryRange]
) -> Iterator[pl.DataFrame]:
    """Writes a run, range by range, and returns its measures."""
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

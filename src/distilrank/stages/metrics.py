"""metrics: the figures of all rankers on all test collections, query by query and in the mean."""

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import built, write_json
from distilrank.config.derived import evaluated
from distilrank.config.params import Params
from distilrank.errors import CollectionError
from distilrank.evaluation.measures import Means, means_by_task


def metrics(params: Params) -> Means:
    """Writes evaluation/measures/ and metrics.json, and returns the latter: task -> ranker -> measure -> mean.

    Raises MissingInput, and CollectionError where two collections have a task of one name.
    """
    measured = evaluated(params)
    tables = [_measures_of(on, ranker) for on, ranker in measured]
    _refuse_one_name_twice([(on, table) for (on, _), table in zip(measured, tables, strict=True)])
    every, inputs = pl.concat(tables), [layout.runs_of(ranker, on) for on, ranker in measured]
    with whole_directory(layout.MEASURES.parent, "distilrank metrics", {}, inputs) as draft:
        every.write_parquet(draft.path / layout.MEASURES.name)
        draft.counts |= {"rankers": every["ranker"].n_unique(), "values": len(every)}
    found = means_by_task(every)
    write_json(layout.METRICS, found)
    return found


def _measures_of(on: str, ranker: str) -> pl.DataFrame:
    table = pl.read_parquet(built(layout.runs_of(ranker, on) / layout.MEASURES.name))
    return table.select(pl.lit(ranker).alias("ranker"), pl.all())


def _refuse_one_name_twice(tables: list[tuple[str, pl.DataFrame]]) -> None:
    owners: dict[str, str] = {}
    for on, table in tables:
        for task in table["task"].unique():
            if owners.setdefault(task, on) != on:
                raise CollectionError(
                    f"params.yaml: evaluations.{on}",
                    got="the name of a test set of the collection that models learn from",
                    expected="another",
                    remedy="rename the entry, then run `distilrank lock` and `dvc repro`",
                )

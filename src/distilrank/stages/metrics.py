"""metrics: the figures of all rankers on all test collections, query by query and in the mean."""

from pathlib import Path

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import built, write_json
from distilrank.config.derived import evaluated
from distilrank.config.params import Params
from distilrank.config.systems import measured_systems
from distilrank.errors import CollectionError
from distilrank.evaluation.measures import Means, means_by_task


def metrics(params: Params) -> Means:
    """Writes evaluation/measures/ and metrics.json, and returns the latter: task -> ranker -> measure -> mean.

    Raises MissingInput, and CollectionError if two collections have tasks of the same name.
    """
    rankers, systems = evaluated(params), measured_systems(params)
    folders = [
        *(layout.runs_of(ranker, on) for on, ranker in rankers),
        *(layout.system_of(name, on) for on, name in systems),
    ]
    measured = [*rankers, *systems]
    tables = [_measures_of(folder, ranker) for folder, (_, ranker) in zip(folders, measured, strict=True)]
    _refuse_one_name_twice([(on, table) for (on, _), table in zip(measured, tables, strict=True)])
    every = pl.concat(tables)
    inputs = [*folders[: len(rankers)], *([layout.SYSTEMS] if systems else [])]
    with whole_directory(layout.MEASURES.parent, "distilrank metrics", {}, inputs) as draft:
        every.write_parquet(draft.path / layout.MEASURES.name)
        draft.counts |= {"rankers": every["ranker"].n_unique(), "values": len(every)}
    found = means_by_task(every)
    write_json(layout.METRICS, found)
    return found


def _measures_of(folder: Path, ranker: str) -> pl.DataFrame:
    table = pl.read_parquet(built(folder / layout.MEASURES.name))
    return table.select(pl.lit(ranker).alias("ranker"), pl.all())


def _refuse_one_name_twice(tables: list[tuple[str, pl.DataFrame]]) -> None:
    owners: dict[str, str] = {}
    for on, table in tables:
        for task in table["task"].unique():
            if owners.setdefault(task, on) != on:
                raise CollectionError(
                    f"params.yaml: evaluations.{on}",
                    got="the name of a test set of the collection that models learn from",
                    expected="another name",
                    remedy="rename the entry, then run `distilrank lock` and `dvc repro`",
                )

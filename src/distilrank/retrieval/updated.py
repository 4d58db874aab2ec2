"""An index that `distilrank update` wrote: its model, and the texts of passages that the collection does not have.

It may stand anywhere, and belongs to the project in the working directory.
"""

from pathlib import Path

import polars as pl

from distilrank.artifacts.layout import MODELS
from distilrank.artifacts.manifest import digest, read_manifest
from distilrank.data.collection import SCHEMAS
from distilrank.errors import InputError, MissingInput

_PUT_FILE = "put.parquet"


def is_updated(place: Path) -> bool:
    return (place / _PUT_FILE).is_file()


def model_behind(place: Path) -> Path:
    """The model of an updated index. Raises InputError for any other directory, and MissingInput if the project's
    model or tokens are not those of the index."""
    if not is_updated(place):
        raise InputError(
            place, got="no updated index", expected="a directory that `distilrank update` wrote",
            remedy="name that, or a system",
        )  # fmt: skip
    sources = {Path(source): made_from for source, made_from in read_manifest(place).inputs.items()}
    for source, made_from in sources.items():
        if digest(source) != made_from:
            raise MissingInput(
                place, got=f"an index that was made from another {source}", expected=f"one of {source} as it is now",
                remedy="update the project's index again",
            )  # fmt: skip
    return next(source for source in sources if source.parent == MODELS)


def put_passages(place: Path) -> pl.LazyFrame:
    """The passages (passage_id, title, text) that updates put, and that are still in the index. Those with ids of the
    collection took the places of the collection's."""
    return pl.scan_parquet(place / _PUT_FILE)


def write_put(before: pl.DataFrame | None, put: pl.DataFrame, deleted: list[str], directory: Path) -> None:
    """Writes the passages of earlier updates that are still there, and those that were put now."""
    every = put.select(*SCHEMAS["passages"])
    if before is not None:
        gone = pl.concat([put["passage_id"], pl.Series(deleted, dtype=pl.String)])
        every = pl.concat([before.filter(~pl.col("passage_id").is_in(gone.implode())), every])
    every.sort("passage_id").write_parquet(directory / _PUT_FILE)

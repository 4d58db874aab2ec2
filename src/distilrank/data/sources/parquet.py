"""Parquet tables of the user's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl

from distilrank.data.collection import SCHEMAS
from distilrank.data.files import Files
from distilrank.data.sources.section import Located
from distilrank.data.sources.source import PASSAGES_AT_ONCE
from distilrank.errors import CollectionError


class ParquetTables(Located):
    """Your own passages.parquet, queries.parquet and qrels.parquet."""

    source: Literal["parquet"]
    unlabelled: None = None  # the table of queries marks them itself

    def splits_to_come(self) -> set[str] | None:
        queries = Path(self.location) / "queries.parquet"
        if not queries.is_file():
            return None
        try:
            found = pl.scan_parquet(queries).select("split").unique().collect()
        except pl.exceptions.PolarsError:
            return None  # `collect` reports what is wrong with it
        return set(found["split"].drop_nulls())

    def opened(self) -> "ParquetSource":
        return ParquetSource(self)


class ParquetSource:
    def __init__(self, params: ParquetTables) -> None:
        self._files = Files(params.location, params.mirrors, params.checksums)

    def passages(self) -> Iterator[pl.DataFrame]:
        return self._batches("passages")

    def queries(self) -> pl.DataFrame:
        return self._whole("queries")

    def qrels(self) -> pl.DataFrame:
        return self._whole("qrels")

    def _whole(self, name: str) -> pl.DataFrame:
        return pl.concat([pl.DataFrame(schema=SCHEMAS[name]), *self._batches(name)])

    def _batches(self, name: str) -> Iterator[pl.DataFrame]:
        import pyarrow as pa  # imported late, so that params.yaml is read sooner
        import pyarrow.parquet as pq

        path = self._files.path(f"{name}.parquet")
        try:
            with pq.ParquetFile(path) as file:
                _check_columns(path, name, pl.DataFrame(file.schema_arrow.empty_table()).schema)
                for batch in file.iter_batches(PASSAGES_AT_ONCE):
                    yield pl.DataFrame(batch).cast(pl.Schema(SCHEMAS[name]))
        except (pa.ArrowException, OSError) as error:
            raise CollectionError(
                path, got=str(error)[:160], expected="a Parquet file", remedy="write it again"
            ) from error


def _check_columns(path: Path, name: str, got: pl.Schema) -> None:
    if got != pl.Schema(SCHEMAS[name]):
        expected = ", ".join(f"{column}: {kind()}" for column, kind in SCHEMAS[name].items())
        raise CollectionError(
            path,
            got=", ".join(f"{column}: {kind}" for column, kind in got.items()),
            expected=expected,
            remedy="rename or cast the columns",
        )

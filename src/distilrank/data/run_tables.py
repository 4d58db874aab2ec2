"""Runs as Parquet files, written some queries at a time."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from distilrank.data.runs import RUN_SCHEMA

# A file in the directory of what a source of mined triples found.
FOUND = "found.parquet"


def write_ranked(runs: Iterable[pl.DataFrame], path: Path) -> None:
    """Writes ranked runs, each of some queries, as one Parquet file."""
    schema = pl.DataFrame(schema=RUN_SCHEMA | {"rank": pl.Int64}).to_arrow().schema
    with pq.ParquetWriter(path, schema) as writer:
        for run in runs:
            writer.write_table(run.to_arrow().cast(schema))

"""Runs as Parquet, written some queries at a time."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from distilrank.data.runs import RUN_SCHEMA

# In the directory of what a source of mined triples found.
FOUND = "found.parquet"


def write_ranked(runs: Iterable[pl.DataFrame], path: Path) -> None:
    """Writes what `ranked` gives, of some queries at a time, as Parquet."""
    schema = pl.DataFrame(schema=RUN_SCHEMA | {"rank": pl.Int64}).to_arrow().schema
    with pq.ParquetWriter(path, schema) as writer:
        for run in runs:
            writer.write_table(run.to_arrow().cast(schema))

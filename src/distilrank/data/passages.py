"""Checks the passages of a collection, sorts them by id, and writes them, however many there are."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from distilrank.data.collection import SCHEMAS
from distilrank.data.findings import Findings
from distilrank.errors import CollectionError
from distilrank.progress import progress

# White space separates the columns of a TREC file, so no id may hold any.
BAD_ID = r"^$|[\s\x00-\x1f]"
_ROWS_IN_A_GROUP = 100_000


def write_passages(batches: Iterator[pl.DataFrame], file: Path, findings: Findings) -> pl.DataFrame:
    """Writes the sound passages sorted by id, and returns all of them as (passage_id, kept).

    The keys of all passages are in memory, and their texts while they are sorted.
    """
    unsorted = file.with_suffix(".unsorted")
    columns = list(SCHEMAS["passages"])
    keys, writer = [], None
    with progress("passages read", None) as advance:
        for batch in batches:
            table = batch.select(pl.col(columns).fill_null(""))
            writer = writer or pq.ParquetWriter(unsorted, table.to_arrow().schema)
            writer.write_table(table.to_arrow())
            whole = pl.struct("title", "text").hash()
            blank = (pl.col("title") + pl.col("text")).str.strip_chars() == ""
            keys.append(table.select("passage_id", text=whole, blank=blank))
            advance(len(table))
    if writer is None or not sum(map(len, keys)):
        raise empty_table("passages", findings)
    writer.close()
    every = pl.concat(keys).with_row_index("row")
    kept = _checked_passages(every, findings)
    if kept.is_empty():
        raise empty_table("passages", findings)
    scan = pl.scan_parquet(unsorted).with_row_index("row")
    if len(kept) < len(every):
        scan = scan.join(kept.lazy().select("row"), on="row", how="semi")
    scan.drop("row").sort("passage_id").sink_parquet(file, row_group_size=_ROWS_IN_A_GROUP)
    unsorted.unlink()
    marked = kept.select("row", kept=pl.lit(True))
    return every.join(marked, on="row", how="left").select("passage_id", pl.col("kept").fill_null(False))


def _checked_passages(passages: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    bad_id, twice = pl.col("passage_id").str.contains(BAD_ID), ~pl.col("passage_id").is_first_distinct()
    passages = findings.without(passages, bad_id, "passages with an id that is empty or holds white space", "dropped")
    passages = findings.without(passages, pl.col("blank"), "passages without a text", "dropped")
    passages = findings.without(passages, twice, "passages with an id that another has", "dropped")
    findings.add(passages.filter(~pl.col("text").is_first_distinct()), "passages with the text of another", "kept")
    return passages


def empty_table(name: str, findings: Findings) -> CollectionError:
    errors = findings.told()
    return CollectionError(
        f"table {name}",
        got=f"an empty table, without {errors}" if errors else "an empty table",
        expected=f"at least one row in {name}",
        remedy="check the source of the collection",
    )

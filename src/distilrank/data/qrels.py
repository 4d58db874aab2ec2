"""Qrels as TREC files, with which other tools can measure the runs."""

from pathlib import Path

import polars as pl

from distilrank.data.collection import Collection


def write_qrels(collection: Collection, directory: Path) -> None:
    """Writes each test set's `query_id 0 passage_id relevance` lines to a file with its name, such as test.qrels."""
    for name in collection.test_sets():
        rows = collection.qrels_of(name).select("query_id", pl.lit("0").alias("q0"), "passage_id", "relevance")
        rows.write_csv(
            directory / f"{name}.qrels", separator=" ", include_header=False, quote_style="never", check_extension=False
        )

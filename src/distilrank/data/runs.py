"""Runs: ranked passages for queries, as tables and as TREC files."""

from pathlib import Path

import polars as pl

RUN_SCHEMA = {"query_id": pl.String, "passage_id": pl.String, "score": pl.Float64}


def ranked(run: pl.DataFrame) -> pl.DataFrame:
    """Adds `rank`, from 1, by trec_eval's rule: score descending, then passage id descending."""
    ordered = run.sort("query_id", "score", "passage_id", descending=[False, True, True])
    return ordered.with_columns(rank=pl.int_range(1, pl.len() + 1).over("query_id"))


def top(run: pl.DataFrame, depth: int) -> pl.DataFrame:
    return ranked(run).filter(pl.col("rank") <= depth)


def write_trec(run: pl.DataFrame, path: Path, tag: str) -> None:
    """Writes `query_id Q0 passage_id rank score tag` lines; scores keep every digit."""
    rows = ranked(run).select(
        "query_id", pl.lit("Q0").alias("q0"), "passage_id", "rank", "score", pl.lit(tag).alias("tag")
    )
    rows.write_csv(path, separator=" ", include_header=False, quote_style="never")


def read_trec(path: Path) -> pl.DataFrame:
    columns = {
        "query_id": pl.String,
        "q0": pl.String,
        "passage_id": pl.String,
        "rank": pl.Int64,
        "score": pl.Float64,
        "tag": pl.String,
    }
    table = pl.read_csv(
        path, separator=" ", has_header=False, new_columns=list(columns), schema=columns, quote_char=None
    )
    return table.select(list(RUN_SCHEMA))

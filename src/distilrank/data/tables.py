"""Reads the small tables of a collection in the forms in which they are published."""

from collections.abc import Iterator, Mapping

import polars as pl

from distilrank.data.collection import SCHEMAS, UNLABELLED
from distilrank.data.text import Text, as_whole_number, columns_of, separated, whole_table


def read_qrels(text: Text, split: str) -> pl.DataFrame:
    """Qrels in TREC's form (query, iteration, passage, relevance) or BEIR's (query, passage, relevance), with or
    without a header.

    Raises CollectionError.
    """
    first = columns_of(text)
    columns = ["query_id", "iteration", "passage_id", "relevance"]
    table = whole_table(text, columns if len(first) == 4 else ["query_id", "passage_id", "relevance"], separator=None)
    if not first[-1].lstrip("+-").isdigit():
        table = table[1:]
    numbered = as_whole_number(text, table, "relevance")
    return numbered.select("query_id", "passage_id", "relevance", split=pl.lit(split))


def read_queries(text: Text) -> pl.DataFrame:
    """(query_id, text) from tab-separated lines. Raises CollectionError."""
    return whole_table(text, ["query_id", "text"]).drop("line")


def read_passages(text: Text) -> Iterator[pl.DataFrame]:
    """(passage_id, title, text) from tab-separated lines, with or without titles. Raises CollectionError."""
    columns = ["passage_id", "text"] if len(columns_of(text)) == 2 else ["passage_id", "title", "text"]
    for _, table in separated(text, columns):
        yield table.with_columns(pl.lit("").alias("title")) if len(columns) == 2 else table


def of_splits(queries: Mapping[str, pl.DataFrame], unlabelled: pl.DataFrame | None) -> pl.DataFrame:
    """(query_id, text, split) of each split's queries, and of the unlabelled ones."""
    every = [*queries.items(), *([(UNLABELLED, unlabelled)] if unlabelled is not None else [])]
    return pl.concat(table.select("query_id", "text", split=pl.lit(split)) for split, table in every)


def split_by_qrels(queries: pl.DataFrame, qrels: pl.DataFrame, unlabelled: pl.DataFrame | None) -> pl.DataFrame:
    """(query_id, text, split) of queries in one file. Each is in every split whose qrels name it, or in none."""
    splits = qrels.select("query_id", "split").unique(maintain_order=True)
    split = queries.join(splits, on="query_id", how="left", maintain_order="left").select(*SCHEMAS["queries"])
    return split if unlabelled is None else pl.concat([split, of_splits({}, unlabelled)])

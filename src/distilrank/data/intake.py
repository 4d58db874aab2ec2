"""Takes a collection in: checks its tables by stated rules, sorts them by id, and writes them.

Faulty rows are dropped and listed if params.yaml allows it. Otherwise the command reports all errors at once and stops.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from distilrank.data.collection import DEV, SCHEMAS, TRAIN, UNLABELLED
from distilrank.data.findings import Findings
from distilrank.data.lots import lot_of, normal
from distilrank.data.passages import BAD_ID, empty_table, write_passages
from distilrank.data.sources.source import Source


def take_in(
    source: Source,
    directory: Path,
    dev_share: float | None,
    dev_queries: int | None,
    exclude_identical_ids: bool = False,
    count_absent: bool = False,
    made: Sequence[str] = (),
) -> Findings:
    """Writes passages.parquet, queries.parquet and qrels.parquet without the faulty rows, and returns what was found.

    With `exclude_identical_ids`, a passage with its query's own id is never found, so its qrels are dropped. With
    `count_absent`, qrels of absent passages stay. `made` are the ids of queries that nobody asked: `dev_share` moves
    none of them. Raises CollectionError if nothing is left of a table.
    """
    findings = Findings()
    # The small tables first: most mistakes show there, before hours of reading.
    given_queries = source.queries().select(*SCHEMAS["queries"])
    given_qrels = source.qrels().select(*SCHEMAS["qrels"])
    passages = write_passages(source.passages(), directory / "passages.parquet", findings)
    queries = _checked_queries(given_queries, findings)
    sound = _checked_qrels(given_qrels, given_queries, passages, findings, count_absent)
    if exclude_identical_ids:
        own = (pl.col("query_id") == pl.col("passage_id")) & (pl.col("relevance") > 0)
        what = "relevant passages by their query's own id, which exclude_identical_ids leaves out"
        sound = findings.without(sound, own, what, "dropped")
    dropped = passages.join(passages.filter("kept"), on="passage_id", how="anti")
    qrels = sound.join(dropped, on="passage_id", how="anti")
    queries = _with_a_positive(queries, _of(queries, qrels), findings)
    queries = _with_dev(queries, dev_share, dev_queries, made, findings)
    qrels = _of(queries, qrels)
    gone = sound.join(qrels, on=["query_id", "passage_id", "split"], how="anti")
    findings.add(gone, "qrels of queries and passages that are gone", "left out")
    if queries.is_empty():
        raise empty_table("queries", findings)
    moved = qrels.drop("split").join(queries.select("query_id", "split"), on="query_id")
    _write(queries, "queries", directory)
    _write(moved, "qrels", directory)
    return findings


def _checked_queries(queries: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Each query once, in one split. A test set has priority over dev, and dev over train."""
    queries = queries.with_columns(pl.col("query_id", "text").fill_null(""))
    queries = findings.without(queries, pl.col("split").is_null(), "queries that no qrels name", "left out")
    ids = pl.col("query_id")
    queries = findings.without(
        queries, ids.str.contains(BAD_ID), "queries with an id that is empty or holds white space", "dropped"
    )
    queries = findings.without(queries, pl.col("text").str.strip_chars() == "", "queries without a text", "dropped")
    twice = ~pl.struct("query_id", "split").is_first_distinct()
    queries = findings.without(queries, twice, "queries with an id that another has", "dropped")
    order = pl.col("split").replace_strict({DEV: 1, TRAIN: 2, UNLABELLED: 3}, default=0, return_dtype=pl.Int8)
    queries = queries.with_columns(order=order, given_split="split").sort("order", "split", maintain_order=True)
    queries = findings.without(queries, ~ids.is_first_distinct(), "queries of two splits", "dropped")
    return _without_leaks(queries, findings).drop("order")


def _without_leaks(queries: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Drops training queries with the text of a dev or test query, and dev queries with the text of a test query."""
    queries = queries.with_columns(same=normal(pl.col("text")))
    first = queries.group_by("same").agg(earliest=pl.col("order").min())
    queries = queries.join(first, on="same", maintain_order="left")
    asked = pl.col("order") > pl.col("earliest")
    labelled = pl.col("earliest") < 2
    return findings.without(
        queries, asked & labelled, "training or dev queries with the text of a test or dev query", "dropped"
    ).drop("same", "earliest")


def _with_dev(
    queries: pl.DataFrame, share: float | None, most: int | None, made: Sequence[str], findings: Findings
) -> pl.DataFrame:
    """Moves some training queries to dev if it has none, and leaves out what exceeds the wanted number of dev queries.
    The `made` ones stay.

    A digest of the text decides. So a query keeps its place when others come or go, and queries of one text move
    together.
    """
    lot, is_dev = normal(pl.col("text")).map_elements(lot_of, pl.Float64), pl.col("split") == DEV
    if share is not None and queries.filter(is_dev).is_empty():
        is_made = pl.col("query_id").is_in(pl.Series(made, dtype=pl.String).implode())
        moved = (pl.col("split") == TRAIN) & (lot < share) & ~is_made
        queries = queries.with_columns(split=pl.when(moved).then(pl.lit(DEV)).otherwise("split"))
    if most is None:
        return queries
    chosen = queries.filter(is_dev).with_columns(lot=lot).sort("lot", "query_id").head(most)
    beyond = is_dev & ~pl.col("query_id").is_in(chosen["query_id"].implode())
    return findings.without(queries, beyond, "dev queries beyond collection.dev_queries", "left out")


def _checked_qrels(
    qrels: pl.DataFrame, queries: pl.DataFrame, passages: pl.DataFrame, findings: Findings, count_absent: bool
) -> pl.DataFrame:
    """The qrels of given queries and passages, each pair once. Where absent passages count, their qrels stay too."""
    for table, keys, what, counts in (
        (queries, ["query_id", "split"], "qrels of queries that are not there", False),
        (passages, ["passage_id"], "qrels of passages that are not there", count_absent),
    ):
        findings.add(qrels.join(table, on=keys, how="anti"), what, "kept" if counts else "dropped")
        qrels = qrels if counts else qrels.join(table, on=keys, how="semi")
    qrels = findings.without(qrels, pl.col("relevance").is_null(), "qrels without a relevance", "dropped")
    twice = ~pl.struct("query_id", "passage_id", "split").is_first_distinct()
    return findings.without(qrels, twice, "qrels of a pair that has one already", "dropped")


def _of(queries: pl.DataFrame, qrels: pl.DataFrame) -> pl.DataFrame:
    """The qrels of the remaining queries, in the split in which they were given."""
    return qrels.join(queries, left_on=["query_id", "split"], right_on=["query_id", "given_split"], how="semi")


def _with_a_positive(queries: pl.DataFrame, qrels: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Leaves out queries without a relevant passage: they cannot be learned from, nor measured."""
    positive = qrels.filter(pl.col("relevance") > 0)["query_id"].unique()
    lacking = (pl.col("split") != UNLABELLED) & ~pl.col("query_id").is_in(positive.implode())
    return findings.without(queries, lacking, "queries without a relevant passage", "left out")


def _write(table: pl.DataFrame, name: str, directory: Path) -> None:
    ids = [column for column in ("query_id", "passage_id") if column in table.columns]
    table.select(*SCHEMAS[name]).sort(ids).write_parquet(directory / f"{name}.parquet")

"""Shows on a terminal what a collection holds and what is wrong with it."""

from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distilrank.artifacts.files import read_json
from distilrank.artifacts.layout import OWN, places_of
from distilrank.artifacts.manifest import MANIFEST, read_manifest
from distilrank.data.collection import DEV, TRAIN, UNLABELLED, Collection


def show_collection(evaluation: str = OWN) -> None:
    """Shows passages, queries and positives by split, lengths in tokens if they are stored, and findings.

    Raises MissingInput.
    """
    console, places = Console(), places_of(evaluation)
    collection = Collection.read(places.collection)
    console.print(_by_split(collection, read_manifest(places.collection).counts["passages"]))
    if (places.tokens / MANIFEST).is_file():
        console.print(_lengths(read_manifest(places.tokens).counts))
    findings: list[dict[str, Any]] = read_json(places.collection / "findings.json")
    if findings:
        console.print(_findings(findings))
    if evaluation != OWN:
        return
    missing = [split for split in (TRAIN, DEV) if collection.queries_of(split).is_empty()]
    missing += [] if collection.test_sets() else ["test"]
    for split in missing:
        console.print(f"There are no {split} queries: {_NEEDED[split]}")


# What needs the queries of a split.
_NEEDED = {
    TRAIN: "nothing can be trained on labels.",
    DEV: "no training can be validated; set collection.dev_share to move some training queries there, "
    "or raise pseudo_queries.dev_share.",
    "test": "nothing can be measured.",
}


def _by_split(collection: Collection, passages: int) -> Table:
    table = _table(f"{passages:,} passages", "queries", "number", "qrels", "positives per query", "most")
    for split in [TRAIN, DEV, *collection.test_sets(), UNLABELLED]:
        queries, qrels = collection.queries_of(split), collection.qrels_of(split)
        if len(queries):
            positives = qrels.filter(pl.col("relevance") > 0).group_by("query_id").len()["len"]
            each = [f"{positives.sum() / len(positives):.2f}", f"{max(positives)}"] if len(positives) else ["", ""]
            table.add_row(split, f"{len(queries):,}", f"{len(qrels):,}", *each)
    return table


def _lengths(counts: dict[str, int]) -> Table:
    table = _table("Tokens", "texts", "number", "median", "95 % within", "longest", "cut")
    for name in ("queries", "passages"):
        figures = (counts[f"{name} tokens {figure}"] for figure in ("median", "95 % within", "longest"))
        cut = counts[f"{name} cut"] / counts[name]
        table.add_row(name, f"{counts[name]:,}", *(f"{figure:,}" for figure in figures), f"{cut:.1%}")
    return table


def _findings(findings: list[dict[str, Any]]) -> Table:
    table = Table("found", "", "rule", "", "such as", title="Findings")
    table.columns[0].justify = "right"
    for one in findings:
        rule = "error" if one["ended"] == "dropped" else "warning"
        table.add_row(f"{one['rows']:,}", one["finding"], rule, one["ended"], escape(one["first"]))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(*columns, title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    return table

"""A collection: passages, queries and qrels, as three tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from distilrank.artifacts import built
from distilrank.errors import CollectionError, MissingInput

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
SCHEMAS: dict[str, dict[str, type[pl.DataType]]] = {
    "passages": {"passage_id": pl.String, "title": pl.String, "text": pl.String},
    "queries": {"query_id": pl.String, "text": pl.String, "split": pl.String},
    "qrels": {"query_id": pl.String, "passage_id": pl.String, "relevance": pl.Int64, "split": pl.String},
}


@dataclass(frozen=True)
class Collection:
    """Tables as SCHEMAS has them: passages, queries, and qrels that say which passage is how relevant to which query.

    Rows are sorted by id, so that the row of a passage or query is its number everywhere.
    """

    passages: pl.DataFrame
    queries: pl.DataFrame
    qrels: pl.DataFrame

    @classmethod
    def of(cls, passages: pl.DataFrame, queries: pl.DataFrame, qrels: pl.DataFrame) -> "Collection":
        """Sorts and checks the tables. Raises CollectionError."""
        collection = cls(passages.sort("passage_id"), queries.sort("query_id"), qrels.sort("query_id", "passage_id"))
        _check(collection)
        return collection

    @classmethod
    def read(cls, directory: Path) -> "Collection":
        """Reads the tables that `write` wrote. Raises MissingInput."""
        return cls(*(pl.read_parquet(built(directory / f"{name}.parquet")) for name in SCHEMAS))

    @classmethod
    def read_own(cls, directory: Path) -> "Collection":
        """Reads and checks tables that a user made. Raises MissingInput and CollectionError."""
        return cls.of(*(_read_table(directory, name) for name in SCHEMAS))

    def write(self, directory: Path) -> dict[str, int]:
        """Writes one Parquet file a table; returns the row counts."""
        tables = {"passages": self.passages, "queries": self.queries, "qrels": self.qrels}
        for name, table in tables.items():
            table.write_parquet(directory / f"{name}.parquet")
        splits = {f"{split} queries": len(self.queries_of(split)) for split in SPLITS}
        return {name: len(table) for name, table in tables.items()} | splits

    def queries_of(self, split: Split) -> pl.DataFrame:
        return self.queries.filter(pl.col("split") == split)

    def qrels_of(self, split: Split) -> pl.DataFrame:
        return self.qrels.filter(pl.col("split") == split)

    def passage_texts(self) -> list[str]:
        """What rankers and BM25 read of each passage: its title, if it has one, and its text."""
        title, text = pl.col("title"), pl.col("text")
        joined = pl.when(title == "").then(text).otherwise(title + " " + text)
        return self.passages.select(joined).to_series().to_list()


def _read_table(directory: Path, name: str) -> pl.DataFrame:
    file = directory / f"{name}.parquet"
    if not file.is_file():
        raise MissingInput(file, got="no such file", expected=f"the table of {name}", remedy="put it there")
    try:
        table = pl.read_parquet(file)
    except pl.exceptions.PolarsError as error:
        raise CollectionError(file, got=str(error), expected="a Parquet file", remedy="write it again") from error
    if table.schema != pl.Schema(SCHEMAS[name]):
        expected = ", ".join(f"{column}: {kind()}" for column, kind in SCHEMAS[name].items())
        got = ", ".join(f"{column}: {kind}" for column, kind in table.schema.items())
        raise CollectionError(file, got=got, expected=expected, remedy="rename or cast the columns")
    return table


def _check(collection: Collection) -> None:
    passages, queries, qrels = collection.passages, collection.queries, collection.qrels
    for name, table, keys in (
        ("passages", passages, ["passage_id"]),
        ("queries", queries, ["query_id"]),
        ("qrels", qrels, ["query_id", "passage_id"]),
    ):
        _check_table(name, table, keys)
    unknown_split = queries.filter(~pl.col("split").is_in(SPLITS))
    _refuse_rows("queries", unknown_split, "query_id", "another split", "split to be train, dev or test")
    for table, key in ((passages, "passage_id"), (queries, "query_id")):
        unknown = qrels.join(table, on=key, how="anti")
        _refuse_rows("qrels", unknown, key, "an unknown id", f"every {key} to be in its table")
    strayed = qrels.join(queries, on="query_id").filter(pl.col("split") != pl.col("split_right"))
    _refuse_rows("qrels", strayed, "query_id", "another split than the query's", "the split of its query")
    unanswered = queries.join(qrels.filter(pl.col("relevance") > 0), on="query_id", how="anti")
    _refuse_rows("queries", unanswered, "query_id", "a query without a positive", "a relevant passage a query")
    for split in SPLITS:
        if collection.queries_of(split).is_empty():
            _refuse("queries", f"no {split} query", f"queries in each of {SPLITS}", "move some, or collect more")


def _check_table(name: str, table: pl.DataFrame, keys: list[str]) -> None:
    if table.is_empty():
        _refuse(name, "an empty table", f"at least one row in {name}", "check the source of the collection")
    _refuse_rows(name, table.filter(pl.any_horizontal(pl.all().is_null())), keys[0], "a null", "no nulls")
    _refuse_rows(name, table.filter(pl.struct(keys).is_duplicated()), keys[0], "the same id twice", "ids used once")
    # A TREC file sets its columns apart by white space.
    unwritable = table.filter(pl.any_horizontal(pl.col(keys).str.contains(r"\s|^$")))
    _refuse_rows(name, unwritable, keys[0], "an id that is empty or holds white space", "ids without any")


def _refuse_rows(table: str, rows: pl.DataFrame, key: str, got: str, expected: str) -> None:
    if not rows.is_empty():
        first = rows[key][0]
        _refuse(table, f"{got} in {len(rows)} rows, the first at {key} '{first}'", expected, "mend or drop the rows")


def _refuse(table: str, got: str, expected: str, remedy: str) -> None:
    raise CollectionError(f"table {table}", got=got, expected=expected, remedy=remedy)

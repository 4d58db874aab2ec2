"""What is wrong or odd in a collection. Errors stop the command or drop rows. The rest is reported."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import polars as pl

from distilrank.artifacts.files import built
from distilrank.errors import CollectionError

Ended = Literal["dropped", "left out", "kept"]
# A file in the directory of the collection: all rows that are no longer in its tables.
DROPPED = "dropped.tsv"
ROWS = {"finding": pl.String, "query_id": pl.String, "passage_id": pl.String, "split": pl.String}


@dataclass(frozen=True)
class Finding:
    """A kind of row that is wrong or odd, and its `rows` (columns ROWS). `left out` and `kept` are warnings, `dropped`
    an error."""

    what: str
    ended: Ended
    rows: pl.DataFrame

    @property
    def is_error(self) -> bool:
        return self.ended == "dropped"


@dataclass
class Findings:
    found: list[Finding] = field(default_factory=list)

    def without(self, table: pl.DataFrame, wrong: pl.Expr | pl.Series, what: str, ended: Ended) -> pl.DataFrame:
        """The table without the wrong rows, which become a finding."""
        self.add(table.filter(wrong), what, ended)
        return table.filter(~wrong)

    def add(self, rows: pl.DataFrame, what: str, ended: Ended) -> None:
        if len(rows):
            known = rows.select(column for column in ROWS if column in rows.columns)
            self.found.append(Finding(what, ended, known.with_columns(finding=pl.lit(what))))

    def refuse_errors(self) -> None:
        """Raises CollectionError if there is any error."""
        if errors := self.told():
            raise CollectionError(
                "the collection",
                got=errors,
                expected="none",
                remedy="mend them, or set collection.on_error to drop",
            )

    def told(self) -> str:
        """The errors, in words."""
        errors = [finding for finding in self.found if finding.is_error]
        return "; ".join(f"{len(one.rows):,} {one.what} (the first: {_named(one.rows)})" for one in errors)

    def summary(self) -> list[dict[str, object]]:
        return [
            {"finding": one.what, "rows": len(one.rows), "ended": one.ended, "first": _named(one.rows)}
            for one in self.found
        ]

    def rows(self) -> pl.DataFrame:
        """All rows that are no longer in the collection."""
        gone = [finding.rows for finding in self.found if finding.ended != "kept"]
        return pl.concat([pl.DataFrame(schema=ROWS), *gone], how="diagonal")


@dataclass(frozen=True)
class DroppedIds:
    """Ids of the given queries and passages that `collect` dropped or left out."""

    queries: pl.Series
    passages: pl.Series

    @classmethod
    def read(cls, directory: Path) -> Self:
        """The ids of the collection in `directory`. Raises MissingInput."""
        rows = pl.read_csv(built(directory / DROPPED), separator="\t", schema=ROWS)
        query, passage = pl.col("query_id"), pl.col("passage_id")
        # A row with both ids is of qrels, whose query or passage may never have been given.
        return cls(
            rows.filter(passage.is_null())["query_id"].drop_nulls().unique(),
            rows.filter(query.is_null())["passage_id"].drop_nulls().unique(),
        )


def _named(rows: pl.DataFrame) -> str:
    first = rows.select(column for column in ROWS if column in rows.columns and column != "finding").row(0)
    return " ".join(repr(value)[:60] for value in first if value is not None)

"""Passages as the report shows them: the title, and the beginning of the text."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from distilrank.results.report.inputs import ReportInputs

WORDS = 36


@dataclass(frozen=True)
class Shown:
    """A passage as the page shows it."""

    passage_id: str
    title: str
    beginning: str


def passages_shown(inputs: ReportInputs, passage_ids: Iterable[str]) -> dict[str, Shown]:
    """The passages as shown, by id."""
    wanted = pl.LazyFrame({"passage_id": sorted(set(passage_ids))}, schema={"passage_id": pl.String})
    rows = inputs.collection.passages.join(wanted, on="passage_id", how="semi").collect()
    return {
        row["passage_id"]: Shown(row["passage_id"], row["title"], _beginning(row["text"]))
        for row in rows.iter_rows(named=True)
    }


def query_texts(inputs: ReportInputs) -> dict[str, str]:
    """The texts of all queries, by id."""
    return dict(inputs.collection.queries.select("query_id", "text").iter_rows())


def _beginning(text: str) -> str:
    words = text.split()
    return " ".join(words[:WORDS]) + (" …" if len(words) > WORDS else "")

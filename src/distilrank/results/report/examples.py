"""Example queries: what each ranker puts first, on queries that rankers disagree about."""

import hashlib
from dataclasses import dataclass

import polars as pl

from distilrank.data.runs import top
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker

WORDS = 36


@dataclass(frozen=True)
class Passage:
    """A passage that some rankers put first."""

    passage_id: str
    title: str
    beginning: str
    relevant: bool
    rankers: list[ReportedRanker]


@dataclass(frozen=True)
class Example:
    query: str
    passages: list[Passage]


@dataclass(frozen=True)
class Examples:
    """Some queries, and how many there were to choose from: `disputed` of `queries`."""

    shown: list[Example]
    disputed: int
    queries: int


def choose_examples(inputs: ReportInputs) -> Examples:
    """Queries on which some rankers put a relevant passage first and others do not; others only to fill up.

    The choice is as good as random, by a digest of the query's id, and always the same.
    """
    firsts = _first_passages(inputs)
    right = firsts.group_by("query_id").agg(pl.col("relevant").mean())
    disputed = set(right.filter(pl.col("relevant").is_between(0, 1, closed="none"))["query_id"])
    order = sorted(right["query_id"], key=lambda query: (query not in disputed, _lot(query)))
    chosen = order[: inputs.params.report.examples]
    texts = dict(inputs.collection.queries.select("query_id", "text").iter_rows())
    shown = [Example(texts[query], _passages(inputs, firsts.filter(pl.col("query_id") == query))) for query in chosen]
    return Examples(shown, len(disputed), len(order))


def _first_passages(inputs: ReportInputs) -> pl.DataFrame:
    return pl.concat(
        top(inputs.runs[ranker.name], 1).with_columns(ranker=pl.lit(ranker.number))
        for ranker in inputs.rankers
        if ranker.role != "start" and ranker.name in inputs.runs
    )


def _passages(inputs: ReportInputs, firsts: pl.DataFrame) -> list[Passage]:
    """The passages that rankers put first for one query: relevant ones first, then by the order of the rankers."""
    groups = firsts.group_by("passage_id").agg("ranker", pl.col("relevant").first())
    known = groups.lazy().join(inputs.collection.passages, on="passage_id").collect()
    passages = [
        Passage(
            row["passage_id"],
            row["title"],
            _beginning(row["text"]),
            row["relevant"],
            [inputs.rankers[number] for number in sorted(row["ranker"])],
        )
        for row in known.iter_rows(named=True)
    ]
    return sorted(passages, key=lambda passage: (not passage.relevant, passage.rankers[0].number))


def _beginning(text: str) -> str:
    words = text.split()
    return " ".join(words[:WORDS]) + (" …" if len(words) > WORDS else "")


def _lot(query_id: str) -> str:
    return hashlib.sha256(query_id.encode()).hexdigest()

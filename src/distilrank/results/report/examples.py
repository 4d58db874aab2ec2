"""Example queries about which rankers disagree, and what each ranker puts first."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.runs import lot
from distilrank.results.report.texts import Shown, passages_shown, query_texts


@dataclass(frozen=True)
class Passage:
    """A passage that some rankers put first."""

    shown: Shown
    relevant: bool
    rankers: list[ReportedRanker]


@dataclass(frozen=True)
class Example:
    query: str
    passages: list[Passage]


@dataclass(frozen=True)
class Examples:
    """Some queries. They were chosen from `disputed` of `queries`."""

    shown: list[Example]
    disputed: int
    queries: int


def choose_examples(inputs: ReportInputs) -> Examples:
    """Queries for which some rankers put a relevant passage first and others do not; other queries only fill up.

    The choice is as good as random, by a digest of the query's id, and always the same.
    """
    firsts = _first_passages(inputs)
    right = firsts.group_by("query_id").agg(pl.col("relevant").mean())
    disputed = set(right.filter(pl.col("relevant").is_between(0, 1, closed="none"))["query_id"])
    order = sorted(right["query_id"], key=lambda query: (query not in disputed, lot(query)))
    chosen = order[: inputs.params.report.examples]
    texts = query_texts(inputs)
    told = passages_shown(inputs, firsts.filter(pl.col("query_id").is_in(chosen))["passage_id"])
    shown = [
        Example(texts[query], _passages(inputs, firsts.filter(pl.col("query_id") == query), told)) for query in chosen
    ]
    return Examples(shown, len(disputed), len(order))


def _first_passages(inputs: ReportInputs) -> pl.DataFrame:
    return pl.concat(
        inputs.runs.firsts(ranker.name).with_columns(ranker=pl.lit(ranker.number))
        for ranker in inputs.rankers
        if ranker.role != "start" and ranker.name in inputs.runs
    )


def _passages(inputs: ReportInputs, firsts: pl.DataFrame, told: Mapping[str, Shown]) -> list[Passage]:
    """The passages that rankers put first for one query: relevant ones first, then in the order of the rankers."""
    groups = firsts.group_by("passage_id").agg("ranker", pl.col("relevant").first())
    passages = [
        Passage(told[passage_id], relevant, [inputs.rankers[number] for number in sorted(numbers)])
        for passage_id, numbers, relevant in groups.iter_rows()
    ]
    return sorted(passages, key=lambda passage: (not passage.relevant, passage.rankers[0].number))

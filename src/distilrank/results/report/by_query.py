"""The queries on which a taught student wins and loses, and what it, its control and its teacher put first."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.texts import Shown, passages_shown, query_texts


@dataclass(frozen=True)
class Answer:
    """What a ranker put first, whether it is relevant, and the rank of the first relevant passage, if there is one."""

    value: float
    first: Shown
    right: bool
    rank: int | None


@dataclass(frozen=True)
class ComparedQuery:
    """A query, and the answers of the compared rankers, in their order."""

    query: str
    answers: list[Answer]

    @property
    def difference(self) -> float:
        """How much better the first ranker is than the second."""
        return self.answers[0].value - self.answers[1].value


@dataclass(frozen=True)
class ByQuery:
    """The largest wins and losses of the first ranker against the second, and how many there are of each."""

    rankers: list[ReportedRanker]
    shown: list[ComparedQuery]
    wins: int
    losses: int
    ties: int


def by_query(inputs: ReportInputs, student: ReportedRanker, yardstick: ReportedRanker) -> ByQuery:
    """A student compared with its control, or with the first stage if it has none; its teacher is shown beside them.

    It shows the `report.queries` largest wins, and as many of the largest losses.
    """
    named = {ranker.name: ranker for ranker in inputs.rankers}
    opponent = named[student.control or inputs.params.candidates.first_stage()]
    rankers = list(dict.fromkeys([student, opponent, yardstick]))
    differences = _differences(inputs, student, opponent)
    chosen = largest(differences, inputs.params.report.queries)
    return ByQuery(
        rankers,
        _compared(inputs, rankers, chosen["query_id"].to_list()),
        *(int((differences["difference"].sign() == sign).sum()) for sign in (1, -1, 0)),
    )


def largest(differences: pl.DataFrame, number: int) -> pl.DataFrame:
    """The `number` largest wins and as many of the largest losses of (query_id, difference), from best to worst."""
    ordered = differences.filter(pl.col("difference") != 0).sort("difference", "query_id", descending=[True, False])
    wins, losses = ordered.filter(pl.col("difference") > 0), ordered.filter(pl.col("difference") < 0)
    return pl.concat([wins.head(number), losses.tail(number)])


def _differences(inputs: ReportInputs, student: ReportedRanker, opponent: ReportedRanker) -> pl.DataFrame:
    one, other = (inputs.values(ranker.name, inputs.measure) for ranker in (student, opponent))
    both = one.join(other, on="query_id", validate="1:1", maintain_order="left")
    # Rounded, because differences from rounding errors are ties.
    return both.select("query_id", difference=(pl.col("value") - pl.col("value_right")).round(9))


def _compared(inputs: ReportInputs, rankers: list[ReportedRanker], query_ids: list[str]) -> list[ComparedQuery]:
    asked = pl.DataFrame({"query_id": query_ids}, schema={"query_id": pl.String})
    values = [dict(inputs.values(ranker.name, inputs.measure).iter_rows()) for ranker in rankers]
    firsts = [_by_query(inputs.runs.firsts(ranker.name), asked) for ranker in rankers]
    ranks = [_by_query(inputs.runs.of_relevant(ranker.name).sort("rank"), asked) for ranker in rankers]
    told = passages_shown(inputs, (row["passage_id"] for rows in firsts for row in rows.values()))
    texts = query_texts(inputs)
    return [
        ComparedQuery(
            texts[query],
            [
                Answer(
                    of_ranker[query], told[first[query]["passage_id"]], first[query]["relevant"],
                    rank[query]["rank"] if query in rank else None,
                )
                for of_ranker, first, rank in zip(values, firsts, ranks, strict=True)
            ],
        )
        for query in query_ids
        if all(query in first for first in firsts)
    ]  # fmt: skip


def _by_query(run: pl.DataFrame, asked: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """The first row of each of the queries."""
    first = run.join(asked, on="query_id", how="semi").unique("query_id", keep="first", maintain_order=True)
    return {row["query_id"]: row for row in first.iter_rows(named=True)}

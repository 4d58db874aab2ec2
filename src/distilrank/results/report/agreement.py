"""How far students order passages as their teachers do, and which of the teachers' answers they lost."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import kendalltau

from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.runs import KEY
from distilrank.results.report.texts import Shown, passages_shown, query_texts


@dataclass(frozen=True)
class Agreement:
    """A taught student and its teacher on the drawn queries.

    tau, control_tau: the mean over queries of Kendall's tau-b with the teacher, for the student and for its control.
    both, lost, won, neither: the queries for which both, only the teacher, only the student, or neither puts a relevant
    passage first.
    """

    ranker: ReportedRanker
    tau: float | None
    control_tau: float | None
    both: int
    lost: int
    won: int
    neither: int


@dataclass(frozen=True)
class Lost:
    """A query whose relevant passage the teacher puts first, and the student at `rank`, with `instead` first."""

    query: str
    known: Shown
    instead: Shown
    rank: int


@dataclass(frozen=True)
class Knowledge:
    """The agreement of each taught student whose teacher's scores are there, and what one student lost, worst first."""

    rows: list[Agreement]
    student: ReportedRanker
    lost: list[Lost]
    queries: int


def knowledge(inputs: ReportInputs, student: ReportedRanker) -> Knowledge:
    """The agreements, and up to `report.queries` queries that `student` lost."""
    taught = [ranker for ranker in inputs.rankers if ranker.role == "taught"]
    rows = []
    for teacher in dict.fromkeys(ranker.teacher for ranker in taught):
        run = inputs.runs.of_teacher_drawn(teacher or "")
        if run is not None:
            rows += [_agreement(inputs, ranker, run) for ranker in taught if ranker.teacher == teacher]
    order = {ranker: number for number, ranker in enumerate(taught)}
    lost = _lost(inputs, student)
    return Knowledge(sorted(rows, key=lambda row: order[row.ranker]), student, lost, len(inputs.runs.drawn))


def mean_tau(one: pl.DataFrame, other: pl.DataFrame) -> float | None:
    """The mean over queries of Kendall's tau-b of two runs' scores; None if it is defined for no query."""
    both = one.select(*KEY, "score").join(other.select(*KEY, "score"), on=KEY, maintain_order="left")
    groups = both.group_by("query_id", maintain_order=True).agg("score", "score_right")
    taus = np.array([kendalltau(mine, theirs).statistic for _, mine, theirs in groups.iter_rows()], np.float64)
    known = taus[~np.isnan(taus)]
    return float(known.mean()) if len(known) else None


def answered_first(run: pl.DataFrame) -> set[str]:
    """The queries whose first passage is relevant."""
    return set(run.filter(pl.col("rank") == 1, pl.col("relevant"))["query_id"])


def _agreement(inputs: ReportInputs, ranker: ReportedRanker, teacher: pl.DataFrame) -> Agreement:
    run = inputs.runs.of_drawn(ranker.name)
    control = mean_tau(inputs.runs.of_drawn(ranker.control), teacher) if ranker.control else None
    mine, theirs = answered_first(run), answered_first(teacher)
    every = run["query_id"].n_unique()
    return Agreement(
        ranker, mean_tau(run, teacher), control, len(mine & theirs), len(theirs - mine), len(mine - theirs),
        every - len(mine | theirs),
    )  # fmt: skip


def _lost(inputs: ReportInputs, student: ReportedRanker) -> list[Lost]:
    teacher = inputs.runs.of_teacher_drawn(student.teacher or "")
    if teacher is None:
        return []
    run = inputs.runs.of_drawn(student.name)
    missed = answered_first(teacher) - answered_first(run)
    known = teacher.filter(pl.col("rank") == 1, pl.col("query_id").is_in(missed)).select(*KEY)
    instead = run.filter(pl.col("rank") == 1).select("query_id", instead="passage_id")
    ranked = known.join(run.select(*KEY, "rank"), on=KEY).join(instead, on="query_id")
    worst = ranked.sort("rank", "query_id", descending=[True, False]).head(inputs.params.report.queries)
    told = passages_shown(inputs, [*worst["passage_id"], *worst["instead"]])
    texts = query_texts(inputs)
    return [
        Lost(texts[row["query_id"]], told[row["passage_id"]], told[row["instead"]], row["rank"])
        for row in worst.iter_rows(named=True)
    ]

"""Grades the figures of a run against the expected ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from distilrank.errors import ParamsError
from distilrank.evaluation.tasks import RERANK, RETRIEVE, evaluation_of, task_of, test_set_of
from distilrank.sections.measuring import ExpectedFigures

Grade = Literal["within seed noise", "near", "off", "not measured"]
Metrics = Mapping[str, Mapping[str, Mapping[str, float]]]  # task -> ranker -> measure -> mean


@dataclass(frozen=True)
class Graded:
    """A ranker's figure: the expected one, the one got (None if it was not measured), and how far apart they are."""

    ranker: str
    expected: float
    got: float | None
    grade: Grade

    @property
    def difference(self) -> float | None:
        return None if self.got is None else self.got - self.expected


@dataclass(frozen=True)
class GradedTable:
    figures: ExpectedFigures
    title: str
    rows: list[Graded]


def graded(expected: Sequence[ExpectedFigures], collections: Mapping[str, str], metrics: Metrics) -> list[GradedTable]:
    """A table per entry of `report.expected` for one of these collections."""
    own = [one for one in expected if one.collection in collections]
    return [GradedTable(one, _title(one), list(_rows(one, metrics, collections))) for one in own]


def not_graded(expected: Sequence[ExpectedFigures], collections: Iterable[str]) -> list[str]:
    """A sentence per entry of `report.expected` for another collection."""
    names = list(collections)
    measured = f"this collection is {names[0]}" if len(names) == 1 else f"the collections are {', '.join(names)}"
    return [
        f"Not graded, for {measured}: {_title(one)} on {one.collection} ({one.source})."
        for one in expected
        if one.collection not in names
    ]


def faults(tables: Sequence[GradedTable]) -> Iterator[str]:
    """A line for each figure that is off or was not measured."""
    for table in tables:
        for row in table.rows:
            told = f"{table.title}, {row.ranker}: stated {row.expected:.3f} ({table.figures.source})"
            if row.got is None:
                yield f"{told}, not measured"
            elif row.grade == "off":
                yield f"{told}, got {row.got:.3f}: {row.difference:+.3f}, beyond {table.figures.near}"


def refuse_none(tables: Sequence[GradedTable], collections: Iterable[str]) -> None:
    """Raises ParamsError if there is no figure to check the run against."""
    if not tables:
        raise ParamsError(
            "params.yaml: report.expected",
            got=f"no figures for the collection {' or '.join(collections)}",
            expected="some to grade a run by",
            remedy="state the figures of a run that you trust",
        )


def _title(expected: ExpectedFigures) -> str:
    how = {RERANK: "re-ranking", RETRIEVE: "searching"}
    return f"{expected.measure} of {how[expected.task]}: {expected.test_set}"


def _rows(expected: ExpectedFigures, metrics: Metrics, collections: Mapping[str, str]) -> Iterator[Graded]:
    evaluation, others = collections[expected.collection], collections.values()
    sets = sorted({test_set_of(task) for task in metrics if evaluation_of(task, others) == evaluation})
    measured = metrics.get(task_of(expected.test_set, expected.task, sets, evaluation), {})
    for ranker, figure in expected.figures.items():
        got = measured.get(ranker, {}).get(expected.measure)
        yield Graded(ranker, figure, got, _grade(expected, figure, got))


def _grade(expected: ExpectedFigures, figure: float, got: float | None) -> Grade:
    if got is None:
        return "not measured"
    # Rounded, so that 0.014 is off 0.024 by no more than 0.010, as the printed figures say.
    apart = round(abs(got - figure), 6)
    if apart <= expected.seed_noise:
        return "within seed noise"
    return "near" if apart <= expected.near else "off"

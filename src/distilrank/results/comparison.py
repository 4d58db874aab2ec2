"""Compares the figures of two sides, task by task and ranker by ranker, from their measures query by query alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import polars as pl

from distilrank.errors import InputError
from distilrank.results.differences import Difference, differences_of


@dataclass(frozen=True)
class Side:
    """The measures of one side: (ranker, task, query_id, measure, value). `name` is what the user calls it."""

    name: str
    measures: pl.DataFrame

    def rankers(self, task: str) -> list[str]:
        """The rankers of a task, in the table's order."""
        return list(dict.fromkeys(self.measures.filter(pl.col("task") == task)["ranker"]))

    def values(self, task: str, ranker: str) -> pl.DataFrame:
        """A ranker's values of the measure at a task: (query_id, value)."""
        return self.measures.filter(pl.col("task") == task, pl.col("ranker") == ranker).select("query_id", "value")


@dataclass(frozen=True)
class ComparedRanker:
    """A ranker's means on both sides, and the second minus the first, tested among the rankers of the same task.

    `queries` holds the values (query_id, first, second, difference), with the largest differences first.
    """

    ranker: str
    first: float
    second: float
    difference: Difference
    queries: pl.DataFrame


@dataclass(frozen=True)
class ComparedTask:
    """The compared rankers of a task, those of one side only, and the numbers of queries of each side and of both."""

    task: str
    rows: list[ComparedRanker]
    only_first: list[str]
    only_second: list[str]
    queries: tuple[int, int, int]


@dataclass(frozen=True)
class Comparison:
    first: str
    second: str
    measure: str
    tasks: list[ComparedTask]


@dataclass(frozen=True)
class Wanted:
    """What to compare: the rankers that both sides have, or only `ranker`.

    With `against`, `ranker` of the second side is compared with `against` of the first. With `shared_queries`, only the
    queries that both sides have count.
    """

    measure: str
    ranker: str | None = None
    against: str | None = None
    shared_queries: bool = False


def compare(first: Side, second: Side, wanted: Wanted) -> Comparison:
    """Compares two sides. Raises InputError if they share nothing to compare, or were measured on different queries."""
    one, other = _by(first, wanted.measure), _by(second, wanted.measure)
    tasks = [task for task in _tasks(one) if task in _tasks(other)]
    pairs = {task: _pairs(one.rankers(task), other.rankers(task), wanted) for task in tasks}
    compared = [_compare(one, other, task, found, wanted) for task, found in pairs.items() if found]
    if not compared:
        raise InputError(
            f"{first.name} and {second.name}",
            got=f"{_told(one)}, and {_told(other)}",
            expected="the named rankers in one task" if wanted.ranker else "a ranker that both have in a task",
            remedy="name one ranker of each side, by --ranker and --against",
        )
    return Comparison(first.name, second.name, wanted.measure, compared)


def _by(side: Side, measure: str) -> Side:
    known = side.measures.filter(pl.col("measure") == measure)
    if known.is_empty():
        raise InputError(
            side.name,
            got=f"no {measure}",
            expected=f"one of {sorted(set(side.measures['measure']))}",
            remedy="name one that both sides have, by --measure",
        )
    return Side(side.name, known)


def _tasks(side: Side) -> list[str]:
    return list(dict.fromkeys(side.measures["task"]))


def _pairs(first: Sequence[str], second: Sequence[str], wanted: Wanted) -> list[tuple[str, str]]:
    """Pairs of a ranker of each side. If each side has only one, such as a registry version, their names may differ."""
    if wanted.ranker is None and len(first) == len(second) == 1:
        return [(first[0], second[0])]
    asked = [(name, name) for name in first] if wanted.ranker is None else [_asked(wanted.ranker, wanted.against)]
    return [(one, other) for one, other in asked if one in first and other in second]


def _asked(ranker: str, against: str | None) -> tuple[str, str]:
    return against or ranker, ranker


def _compare(first: Side, second: Side, task: str, pairs: list[tuple[str, str]], wanted: Wanted) -> ComparedTask:
    sides = [first.values(task, one) for one, _ in pairs], [second.values(task, other) for _, other in pairs]
    of_first, of_second = (_every(values) for values in sides)
    both = reduce(set[str].intersection, (set(values["query_id"]) for values in (*sides[0], *sides[1])))
    if not both or (both != of_first | of_second and not wanted.shared_queries):
        raise InputError(
            f"{first.name} and {second.name}",
            got=f"{len(of_first)} and {len(of_second)} queries in {task}, {len(both)} shared",
            expected="the same queries in both" if both else "queries that both have",
            remedy="compare by the shared ones with --shared-queries" if both else "measure both on the same queries",
        )
    joined = [_joined(one, other, both) for one, other in zip(*sides, strict=True)]
    old, new = (np.column_stack([values[side].to_numpy() for values in joined]) for side in ("first", "second"))
    rows = [
        ComparedRanker(_title(*pair), float(before), float(after), difference, _largest_first(values))
        for pair, before, after, difference, values in zip(
            pairs, old.mean(axis=0), new.mean(axis=0), differences_of(new, old), joined, strict=True
        )
    ]
    only_first, only_second = ([], []) if wanted.ranker else _alone(first.rankers(task), second.rankers(task), pairs)
    return ComparedTask(task, rows, only_first, only_second, (len(of_first), len(of_second), len(both)))


def _every(values: Sequence[pl.DataFrame]) -> set[str]:
    return {query_id for table in values for query_id in table["query_id"]}


def _joined(first: pl.DataFrame, second: pl.DataFrame, queries: set[str]) -> pl.DataFrame:
    """Both values of these queries, sorted by id: (query_id, first, second)."""
    table = first.rename({"value": "first"}).join(second.rename({"value": "second"}), on="query_id", validate="1:1")
    return table.filter(pl.col("query_id").is_in(list(queries))).sort("query_id")


def _largest_first(joined: pl.DataFrame) -> pl.DataFrame:
    differences = joined.with_columns(difference=pl.col("second") - pl.col("first"))
    return differences.sort(-pl.col("difference").abs(), "query_id")


def _title(first: str, second: str) -> str:
    return first if first == second else f"{second} against {first}"


def _alone(first: list[str], second: list[str], pairs: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    compared = {one for one, _ in pairs}, {other for _, other in pairs}
    return [one for one in first if one not in compared[0]], [one for one in second if one not in compared[1]]


def _told(side: Side) -> str:
    return "; ".join(f"{', '.join(side.rankers(task))} in {task}" for task in _tasks(side))

"""What the tests say of each taught student: beside its control, its teachers, the first stage and its start; and of
each system beside what it is made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

import polars as pl

from distilrank.config.derived import control_of, first_stage_of, start_of
from distilrank.config.names import distilled_name
from distilrank.config.params import Params
from distilrank.config.systems import searched_by
from distilrank.evaluation.significance import effect_size
from distilrank.results.differences import Difference, differences_of

Role = Literal["control", "teacher", "first stage", "start", "part"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Compared:
    """A taught student or system with another ranker, by what that is to it; `effect` is Cohen's d of the paired
    differences."""

    task: str
    measure: str
    ranker: str
    role: Role
    other: str
    queries: int
    value: float
    other_value: float
    effect: float
    difference: Difference


def statistics(params: Params, measures: pl.DataFrame) -> list[Compared]:
    """Those of each table, which is of one task and one measure, in the order of `measures`.

    `measures` (ranker, task, query_id, measure, value) has one value a query: of several seeds the mean.
    """
    return [
        row
        for (task, measure), values in measures.group_by("task", "measure", maintain_order=True)
        for row in _in_table(str(task), str(measure), values, list(_named(params, first_stage_of(params, str(task)))))
    ]


def _named(params: Params, first_stage: str) -> Iterator[tuple[str, Role, str]]:
    """What is compared: a taught student or system, what the other is to it, and the other."""
    for student, teacher in product(params.students, params.matrix.teachers):
        taught, control = distilled_name(student, teacher), control_of(params, student, teacher)
        if control:
            yield taught, "control", control
        # Of an ensemble each member: together they are no ranker that could be measured.
        for member in params.members(teacher):
            yield taught, "teacher", member
        yield taught, "first stage", first_stage
        yield taught, "start", start_of(params, student, teacher).name
    for name, system in params.systems.items():
        for part in searched_by(system):
            yield name, "first stage" if part == first_stage else "part", part


def _in_table(task: str, measure: str, values: pl.DataFrame, named: list[tuple[str, Role, str]]) -> list[Compared]:
    wide = values.pivot(on="ranker", index="query_id", values="value").sort("query_id")
    known = [(ranker, role, other) for ranker, role, other in named if {ranker, other} <= set(wide.columns)]
    if not known:
        return []
    taught, others = (wide.select(names).to_numpy() for names in (_columns(known, 0), _columns(known, 2)))
    return [
        Compared(
            task,
            measure,
            ranker,
            role,
            other,
            len(wide),
            float(taught[:, place].mean()),
            float(others[:, place].mean()),
            effect_size(taught[:, place] - others[:, place]),
            difference,
        )
        for place, ((ranker, role, other), difference) in enumerate(
            zip(known, differences_of(taught, others), strict=True)
        )
    ]


def _columns(known: list[tuple[str, Role, str]], place: int) -> list[pl.Expr]:
    """Of a table, each comparison's, some of them more than once."""
    return [pl.col(str(one[place])).alias(str(number)) for number, one in enumerate(known)]

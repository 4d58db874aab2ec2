"""The tests of each taught student against its control, its teachers, the first stage and its start.

Each system is also tested against what it is made of.
"""

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
    """A comparison of a taught student or system with another ranker.

    `role` is what the other is to it. `effect` is Cohen's d of the paired differences.
    """

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
    """The comparisons, table by table in the order of `measures`. A table is one task and one measure.

    `measures` (ranker, task, query_id, measure, value) has one value per query, the mean if there are several seeds.
    """
    return [
        row
        for (task, measure), values in measures.group_by("task", "measure", maintain_order=True)
        for row in _in_table(str(task), str(measure), values, list(_named(params, first_stage_of(params, str(task)))))
    ]


def _named(params: Params, first_stage: str) -> Iterator[tuple[str, Role, str]]:
    """The pairs to compare: a taught student or system, the other's role, and the other."""
    for student, teacher in product(params.students, params.matrix.teachers):
        taught, control = distilled_name(student, teacher), control_of(params, student, teacher)
        if control:
            yield taught, "control", control
        # An ensemble cannot be measured as a ranker, so each member is compared.
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
    """The columns of a table for all comparisons, some of them more than once."""
    return [pl.col(str(one[place])).alias(str(number)) for number, one in enumerate(known)]

"""The paper's table in brief, from nothing but the metrics: a row a student, a column a teacher."""

from collections.abc import Mapping

from distilrank.config.names import CONTROL, START

UNTRAINED, ALONE = "at its start", "no teacher"
# What the names of params.py say of a student's ranker, before the teacher that had a part in it.
_COLUMNS = {"": ALONE, CONTROL: ALONE, START: UNTRAINED}
Means = Mapping[str, Mapping[str, float]]  # ranker -> measure -> value


def by_teacher(scores: Means, deviations: Means) -> tuple[list[str], dict[str, list[str]]]:
    """The columns, and by row each column's mean of the primary measure, with its deviation over seeds.

    A column is empty where there is none. All that a student was taught stands in its row, as params.distilled_name
    names them; any other ranker has its own.
    Starts and controls of several teachers' students share a cell, in the order of the metrics.
    """
    measure = primary_measure(scores)
    rows: dict[str, dict[str, list[str]]] = {}
    for ranker, values in scores.items():
        name, _, rest = ranker.partition("-")
        column = _COLUMNS.get(rest.partition("-")[0], rest)
        told = figure(values[measure], deviations.get(ranker, {}).get(measure))
        rows.setdefault(name, {}).setdefault(column, []).append(told)
    known = list(dict.fromkeys(column for row in rows.values() for column in row))
    first = [UNTRAINED] if UNTRAINED in known else []
    columns = [*first, ALONE, *(column for column in known if column not in (UNTRAINED, ALONE))]
    return columns, {name: [" / ".join(row.get(column, [])) for column in columns] for name, row in rows.items()}


def primary_measure(scores: Means) -> str:
    """The one that a ranker's figures begin with."""
    return next(iter(next(iter(scores.values()))))


def figure(mean: float, deviation: float | None) -> str:
    """As in .708 ± .004: over several seeds with the standard deviation."""
    return f"{mean:.3f}" if deviation is None else f"{mean:.3f} ± {deviation:.3f}"

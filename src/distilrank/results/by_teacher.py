"""A short form of the paper's table, made from the metrics alone: a row per student, a column per teacher."""

from collections.abc import Mapping

from distilrank.config.names import CONTROL, START

UNTRAINED, ALONE = "at its start", "no teacher"
# The columns by what follows the student in a ranker's name (see config/names.py), without any teacher after it.
_COLUMNS = {"": ALONE, CONTROL: ALONE, START: UNTRAINED}
Means = Mapping[str, Mapping[str, float]]  # ranker -> measure -> value


def by_teacher(scores: Means, deviations: Means) -> tuple[list[str], dict[str, list[str]]]:
    """The columns, and by row each column's mean of the primary measure, with its deviation over seeds.

    A cell is empty if there is no such ranker. All rankers of a student, by their names, share its row; any other
    ranker has its own. Starts and controls of several teachers' students share a cell, in the order of the metrics.
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
    """The primary measure: the first of a ranker's figures."""
    return next(iter(next(iter(scores.values()))))


def figure(mean: float, deviation: float | None) -> str:
    """A mean in text, with the standard deviation if there are several seeds, such as 0.708 ± 0.004."""
    return f"{mean:.3f}" if deviation is None else f"{mean:.3f} ± {deviation:.3f}"

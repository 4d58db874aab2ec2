"""The paper's table in brief, from nothing but the metrics: a row a student, a column a teacher."""

from collections.abc import Mapping

from distilrank.params import CONTROL, START

MEASURE = "nDCG@10"
UNTRAINED, ALONE = "at its start", "no teacher"
# What the names of params.py say of a student's ranker, before the teacher that had a part in it.
_COLUMNS = {"": ALONE, CONTROL: ALONE, START: UNTRAINED}


def by_teacher(scores: Mapping[str, Mapping[str, float]]) -> tuple[list[str], dict[str, list[str]]]:
    """The columns, and by row each column's mean nDCG@10, empty where there is none; from ranker -> measure -> mean.

    All that a student was taught stands in its row, as params.distilled_name names them; any other ranker has its own.
    Starts and controls of several teachers' students share a cell, in the order of the metrics.
    """
    rows: dict[str, dict[str, list[str]]] = {}
    for ranker, values in scores.items():
        name, _, rest = ranker.partition("-")
        column = _COLUMNS.get(rest.partition("-")[0], rest)
        rows.setdefault(name, {}).setdefault(column, []).append(f"{values[MEASURE]:.3f}")
    known = list(dict.fromkeys(column for row in rows.values() for column in row))
    first = [UNTRAINED] if UNTRAINED in known else []
    columns = [*first, ALONE, *(column for column in known if column not in (UNTRAINED, ALONE))]
    return columns, {name: [" / ".join(row.get(column, [])) for column in columns] for name, row in rows.items()}

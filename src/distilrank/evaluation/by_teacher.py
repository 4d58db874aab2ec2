"""The paper's table in brief, from nothing but the metrics: a row a student, a column a teacher."""

from collections.abc import Mapping

MEASURE = "nDCG@10"
ALONE = "no teacher"


def by_teacher(scores: Mapping[str, Mapping[str, float]]) -> tuple[list[str], dict[str, list[str]]]:
    """The columns, and by row each column's mean nDCG@10, empty where there is none; from ranker -> measure -> mean.

    All that a student was taught stands in its row, as params.distilled_name names them; any other ranker has its own.
    """
    rows: dict[str, dict[str, str]] = {}
    for ranker, values in scores.items():
        name, _, teacher = ranker.partition("-")
        rows.setdefault(name, {})[teacher or ALONE] = f"{values[MEASURE]:.3f}"
    columns = list(dict.fromkeys([ALONE, *(column for row in rows.values() for column in row)]))
    return columns, {name: [row.get(column, "") for column in columns] for name, row in rows.items()}

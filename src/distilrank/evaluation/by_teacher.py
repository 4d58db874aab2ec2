"""The paper's table in brief, from nothing but the metrics: a row a student, a column a teacher."""

from collections.abc import Mapping

MEASURE = "nDCG@10"
ALONE = "no teacher"
Scores = Mapping[str, Mapping[str, float]]  # ranker -> measure -> value


def by_teacher(scores: Scores, deviations: Scores) -> tuple[list[str], dict[str, list[str]]]:
    """The columns, and by row each column's mean nDCG@10, empty where there is none; with its deviation over seeds.

    All that a student was taught stands in its row, as params.distilled_name names them; any other ranker has its own.
    """
    rows: dict[str, dict[str, str]] = {}
    for ranker, values in scores.items():
        name, _, teacher = ranker.partition("-")
        rows.setdefault(name, {})[teacher or ALONE] = figure(values[MEASURE], deviations.get(ranker, {}).get(MEASURE))
    columns = list(dict.fromkeys([ALONE, *(column for row in rows.values() for column in row)]))
    return columns, {name: [row.get(column, "") for column in columns] for name, row in rows.items()}


def figure(mean: float, deviation: float | None) -> str:
    """As in .708 ± .004: over several seeds with the standard deviation."""
    return f"{mean:.3f}" if deviation is None else f"{mean:.3f} ± {deviation:.3f}"

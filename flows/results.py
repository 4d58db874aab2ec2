"""The results as Markdown."""

from collections.abc import Mapping

from distilrank.evaluation.tasks import TASKS

Scores = Mapping[str, Mapping[str, float]]  # ranker -> measure -> value


def results_page(metrics: Mapping[str, Scores]) -> str:
    """Return one table a task: a row a ranker, a column a measure."""
    return "\n\n".join(f"## {title}\n\n{table(metrics[task])}" for task, title in TASKS.items() if metrics.get(task))


def table(scores: Scores) -> str:
    """Return the values of each ranker, to three decimals; a measure that a ranker lacks stays empty."""
    measures = list(dict.fromkeys(measure for values in scores.values() for measure in values))
    rows = [["ranker", *measures], ["---", *("---:" for _ in measures)]]
    for ranker, values in scores.items():
        rows.append([ranker, *(f"{values[measure]:.3f}" if measure in values else "" for measure in measures)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)

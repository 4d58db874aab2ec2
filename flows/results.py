"""The results as Markdown."""

import re
from collections.abc import Mapping, Sequence

from distilrank.evaluation.tasks import title_of
from distilrank.results.by_teacher import by_teacher, primary_measure
from distilrank.results.markdown import markdown_table
from distilrank.results.seeds import over_seeds

# A line of `distilrank register`.
ENTRY = re.compile(r"(?P<name>\S+) (?P<version>\d+) (?P<state>new|known|rolled-back) (?P<run>\S.*)")
Scores = Mapping[str, Mapping[str, float]]  # ranker -> measure -> value


def results_page(metrics: Mapping[str, Scores]) -> str:
    """Two tables per task: students by teacher, and every measure by ranker. Figures are means over seeds."""
    means, deviations = over_seeds(metrics)
    return "\n\n".join(
        f"## {title_of(task, next(iter(scores)))}\n\n{matrix(scores, deviations[task])}\n\n{table(scores)}"
        for task, scores in means.items()
        if scores
    )


def matrix(scores: Scores, deviations: Scores) -> str:
    """A table of the primary measure, with a row per student and a column per teacher."""
    columns, rows = by_teacher(scores, deviations)
    return markdown_table([primary_measure(scores), *columns], named(rows))


def table(scores: Scores) -> str:
    """A table of each ranker's values to three decimals. A cell is empty if the ranker lacks the measure."""
    measures = list(dict.fromkeys(measure for values in scores.values() for measure in values))
    rows = {
        ranker: [f"{values[measure]:.3f}" if measure in values else "" for measure in measures]
        for ranker, values in scores.items()
    }
    return markdown_table(["ranker", *measures], named(rows))


def registered_page(said: Sequence[str]) -> str:
    """A table from the output of `distilrank register`: name, version, whether it is new, and its run."""
    rows = {
        entry["name"]: [entry["version"], entry["state"], link(entry["run"])]
        for line in said
        if (entry := ENTRY.fullmatch(line))  # skips warnings of libraries
    }
    return markdown_table(["model", "version", "", "run"], named(rows))


def link(address: str) -> str:
    return f"[{address}]({address})" if address.startswith("http") else address


def named(rows: Mapping[str, list[str]]) -> list[list[str]]:
    """The rows with their names as the first cells."""
    return [[name, *row] for name, row in rows.items()]

"""A comparison as tables of text, for a terminal or a pull request."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from distilrank.results.comparison import ComparedRanker, ComparedTask, Comparison
from distilrank.results.differences import SIGNIFICANT, Difference
from distilrank.results.markdown import markdown_table
from distilrank.results.report.formats import MINUS, bare_p_value

# How many queries with the largest differences are shown per ranker.
QUERIES = 10
Texts = Mapping[str, str]  # query id -> text


@dataclass(frozen=True)
class Table:
    """A table. Its first `names` columns hold words, the others figures. `notes` are sentences below it."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str]
    names: int = 1


def tables(comparison: Comparison) -> list[Table]:
    """A table per task, with a row per ranker."""
    return [_of_task(comparison, task) for task in comparison.tasks]


def tables_by_query(comparison: Comparison, texts: Mapping[str, Texts]) -> list[Table]:
    """A table per task and ranker whose values differ, with the queries that differ most; `texts` are by task."""
    return [
        _of_queries(comparison, task.task, row, texts.get(task.task, {}))
        for task in comparison.tasks
        for row in task.rows
        if (row.queries["difference"] != 0).any()
    ]


def as_markdown(shown: list[Table]) -> str:
    parts = (
        "\n\n".join([f"### {one.title}", markdown_table(one.columns, one.rows, one.names), *one.notes]) for one in shown
    )
    return "\n\n".join(parts) + "\n"


def _of_task(comparison: Comparison, task: ComparedTask) -> Table:
    rows = [
        [
            row.ranker,
            _figure(row.first),
            _figure(row.second),
            f"{_signed(row.difference.difference)}{_mark(row.difference)}",
            f"{_signed(row.difference.low)} to {_signed(row.difference.high)}",
            bare_p_value(row.difference.p_value),
        ]
        for row in task.rows
    ]
    columns = ["ranker", *_sides(comparison), "95 %", "p"]
    return Table(f"{task.task}, {comparison.measure}", columns, rows, list(_notes(task)))


def _of_queries(comparison: Comparison, task: str, row: ComparedRanker, texts: Texts) -> Table:
    changed = row.queries.filter(pl.col("difference") != 0)
    rows = [
        [query_id, *([texts.get(query_id, "")] if texts else []), *_values(first, second)]
        for query_id, first, second, _ in changed.head(QUERIES).iter_rows()
    ]
    higher = int((changed["difference"] > 0).sum())
    alike = len(row.queries) - len(changed)
    note = f"Higher in B: {higher:,} queries; lower: {len(changed) - higher:,}; alike: {alike:,}."
    columns = ["query", *(["text"] if texts else []), *_sides(comparison)]
    return Table(
        f"{row.ranker}: {task}, {comparison.measure}, query by query", columns, rows, [note], 2 if texts else 1
    )


def _sides(comparison: Comparison) -> list[str]:
    return [f"A: {comparison.first}", f"B: {comparison.second}", f"B {MINUS} A"]


def _values(first: float, second: float) -> list[str]:
    return [_figure(first), _figure(second), _signed(second - first)]


def _figure(value: float) -> str:
    return f"{value:.4f}"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", MINUS)


def _mark(difference: Difference) -> str:
    return {"gain": " ▲", "loss": " ▼", "unclear": ""}[difference.verdict]


def _notes(task: ComparedTask) -> Iterator[str]:
    of_first, of_second, both = task.queries
    whole = of_first == of_second == both
    by = f"{both:,} queries" if whole else f"The {both:,} queries that both have, of {of_first:,} and {of_second:,}"
    tests = f"of {len(task.rows)} tests, " if len(task.rows) > 1 else ""
    yield (
        f"{by}. 95 %: bootstrapped over queries. p: the larger of a paired t-test's and a paired randomisation "
        f"test's, {tests}corrected by Holm; "
        f"▲ and ▼ mark p < {SIGNIFICANT}."
    )
    for side, names in (("A", task.only_first), ("B", task.only_second)):
        if names:
            yield f"Only in {side}: {', '.join(names)}."

"""Results as tables on a terminal."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distilrank import layout
from distilrank.artifacts import built
from distilrank.evaluation.by_teacher import MEASURE, by_teacher
from distilrank.evaluation.tasks import BM25, TASKS

Scores = Mapping[str, Mapping[str, float]]  # ranker -> measure or percentile -> value


def show_results() -> None:
    """Tables of nDCG@10 by teacher and of every measure by ranker, and the report's path. Raises MissingInput."""
    metrics, latency = _read(layout.METRICS), _read(layout.LATENCY)
    console = Console()
    for task, title in TASKS.items():
        console.print(_by_teacher(title, metrics[task]))
    for task, title in TASKS.items():
        console.print(_by_ranker(title, metrics[task], latency["milliseconds"] if task == "rerank" else {}))
    console.print(f"Report: {layout.REPORT}")


def show_hits(query: str, model: str, hits: pl.DataFrame) -> None:
    """A table of passages (passage_id, score, title, text), best first."""
    table = Table("", "passage", "score", "text", title=f"{escape(query)}  ({model})", show_lines=True)
    for rank, hit in enumerate(hits.iter_rows(named=True), 1):
        text = f"[bold]{escape(hit['title'])}[/bold]\n{escape(hit['text'][:300])}"
        table.add_row(str(rank), escape(hit["passage_id"]), f"{hit['score']:.2f}", text)
    Console().print(table)


def _by_teacher(title: str, scores: Scores) -> Table:
    columns, rows = by_teacher(scores)
    table = _table(title, [MEASURE, *columns])
    for ranker, values in rows.items():
        table.add_row(ranker, *values)
    return table


def _by_ranker(title: str, scores: Scores, milliseconds: Scores) -> Table:
    measures = list(scores[BM25])
    table = _table(title, ["ranker", *measures, *(["ms a query"] if milliseconds else [])])
    for ranker, values in scores.items():
        time = [f"{milliseconds[ranker]['median']:.1f}"] if milliseconds else []
        table.add_row(ranker, *(f"{values[name]:.3f}" for name in measures), *time)
    return table


def _table(title: str, columns: list[str]) -> Table:
    table = Table(*columns, title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _read(path: Path) -> Any:
    return json.loads(built(path).read_text("utf-8"))

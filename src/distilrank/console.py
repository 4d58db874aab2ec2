"""Results as tables on a terminal."""

import json
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distilrank import layout
from distilrank.artifacts import built
from distilrank.evaluation.tasks import BM25, TASKS


def show_results() -> None:
    """Tables of every measure by ranker, with its latency, and the path of the report. Raises MissingInput."""
    metrics, latency = _read(layout.METRICS), _read(layout.LATENCY)
    console = Console()
    for task, title in TASKS.items():
        measures = list(metrics[task][BM25])
        table = Table("ranker", *measures, *(["ms a query"] if task == "rerank" else []), title=title)
        for column in table.columns[1:]:
            column.justify = "right"
        for ranker, values in metrics[task].items():
            time = [f"{latency['milliseconds'][ranker]['median']:.1f}"] if task == "rerank" else []
            table.add_row(ranker, *(f"{values[name]:.3f}" for name in measures), *time)
        console.print(table)
    console.print(f"Report: {layout.REPORT}")


def show_hits(query: str, model: str, hits: pl.DataFrame) -> None:
    """A table of passages (passage_id, score, title, text), best first."""
    table = Table("", "passage", "score", "text", title=f"{escape(query)}  ({model})", show_lines=True)
    for rank, hit in enumerate(hits.iter_rows(named=True), 1):
        text = f"[bold]{escape(hit['title'])}[/bold]\n{escape(hit['text'][:300])}"
        table.add_row(str(rank), escape(hit["passage_id"]), f"{hit['score']:.2f}", text)
    Console().print(table)


def _read(path: Path) -> Any:
    return json.loads(built(path).read_text("utf-8"))

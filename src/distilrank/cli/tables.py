"""Shows results as tables on a terminal."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.config.params import Params
from distilrank.evaluation.tasks import title_of
from distilrank.registry.gates import Gate
from distilrank.registry.promotion import Decision
from distilrank.registry.rollback import Rollback
from distilrank.results.at_a_glance import at_a_glance
from distilrank.results.by_teacher import Means, by_teacher, figure, primary_measure
from distilrank.results.expected import GradedTable, graded, not_graded
from distilrank.results.measured_times import MeasuredTimes
from distilrank.results.seeds import measures_over_seeds, over_seeds
from distilrank.results.shortfalls import read_histories, shortfalls
from distilrank.results.statistics import statistics


def show_results(params: Params) -> None:
    """Shows the results: the tables, then the report's path.

    The tables are the primary measure by teacher, every measure by ranker, the tests, and the expected figures, all
    over the seeds of each model; then the times, with those that should be measured again. If queries are made from
    passages, a sentence stands above the tables. Raises MissingInput.
    """
    (metrics, deviations), latency = over_seeds(_read(layout.METRICS)), MeasuredTimes.read()
    console = Console()
    if glance := at_a_glance(params, metrics, read_histories(params)):
        console.print(escape(glance), soft_wrap=True, highlight=False)
    titles = {task: title_of(task, next(iter(scores))) for task, scores in metrics.items()}
    for task, title in titles.items():
        console.print(_by_teacher(title, metrics[task], deviations[task]))
    for task, title in titles.items():
        console.print(_by_ranker(title, metrics[task], deviations[task]))
    for tests in _tests(params, titles):
        console.print(tests)
    console.print(_times(latency))
    expected, collections = params.report.expected, params.collections_named()
    for table in graded(expected, collections, metrics):
        console.print(_graded(table))
    for sentence in not_graded(expected, collections):
        console.print(escape(sentence))
    for times in latency.uneven(params):
        took = ", ".join(f"{name} took {time:.1f} ms" for name, time in times.items())
        console.print(
            f"Measure the times again: {took} per query, though these are built alike. "
            "Run `dvc repro --force --single-item latency` while nothing else runs here, then `dvc repro`",
            soft_wrap=True,
        )
    show_shortfalls(params, metrics)
    console.print(f"Report: {layout.REPORT}")


def show_figures(metrics: Mapping[str, Means]) -> None:
    """Shows a table per task, with every measure by ranker; the first stage comes first."""
    for task, scores in metrics.items():
        Console().print(_by_ranker(title_of(task, next(iter(scores))), scores, {}))


def show_shortfalls(params: Params, metrics: Mapping[str, Means]) -> None:
    """Prints a line for each taught student that is worse than what it should beat; `metrics` are means over seeds.

    Raises MissingInput.
    """
    for shortfall in shortfalls(params, metrics, read_histories(params)):
        Console().print(f"[bold red]WORSE[/bold red] {escape(str(shortfall))}", soft_wrap=True, highlight=False)


def show_hits(query: str, model: str, hits: pl.DataFrame) -> None:
    """Shows a table of passages (passage_id, score, title, text), best first."""
    table = Table("", "passage", "score", "text", title=f"{escape(query)}  ({model})", show_lines=True)
    for rank, hit in enumerate(hits.iter_rows(named=True), 1):
        text = f"[bold]{escape(hit['title'])}[/bold]\n{escape(hit['text'][:300])}"
        table.add_row(str(rank), escape(hit["passage_id"]), f"{hit['score']:.2f}", text)
    Console().print(table)


def show_decision(decision: Decision) -> None:
    """Shows a table of the gates, and what became of the challenger."""
    whose = f"{decision.name} version {decision.challenger}"
    _show_gates(whose, decision.gates)
    if not decision.promoted:
        _show_refusal(whose, decision.refused_by)
        return
    former = f", version {decision.champion} is kept as previous" if decision.champion else ""
    Console().print(f"{whose} is champion{former}", soft_wrap=True)
    if (gains := decision.gains) and not gains.is_a_gain:
        difference = gains.challenger - gains.champion
        Console().print(
            f"It gains nothing on version {gains.version} that is more than chance: {difference:+.4f}, "
            f"p {gains.p_difference:.2g}",
            soft_wrap=True,
        )


def show_rollback(rollback: Rollback) -> None:
    """Shows which version is champion, or a table of the gates if they refused the former one."""
    if rollback.refused_by:
        whose = f"{rollback.name} version {rollback.champion}"
        _show_gates(whose, rollback.gates)
        _show_refusal(whose, rollback.refused_by)
        return
    line = f"{rollback.name}: version {rollback.champion} is champion again, in place of version {rollback.former}"
    Console().print(line, soft_wrap=True)


def _show_gates(whose: str, gates: Iterable[Gate]) -> None:
    table = Table("gate", "", "", title=whose)
    for gate in gates:
        table.add_row(gate.gate, "passed" if gate.passed else "[bold]refused[/bold]", escape(gate.why))
    Console().print(table)


def _show_refusal(whose: str, refused_by: Iterable[Gate]) -> None:
    refused = "; ".join(f"{gate.gate}: {gate.why}" for gate in refused_by)
    Console().print(f"{whose} is refused by {escape(refused)}", soft_wrap=True)


def _by_teacher(title: str, scores: Means, deviations: Means) -> Table:
    columns, rows = by_teacher(scores, deviations)
    table = _table(title, [primary_measure(scores), *columns])
    for ranker, values in rows.items():
        table.add_row(ranker, *values)
    return table


def _by_ranker(title: str, scores: Means, deviations: Means) -> Table:
    measures = list(next(iter(scores.values())))
    table = _table(title, ["ranker", *measures])
    for ranker, values in scores.items():
        apart = deviations.get(ranker, {})
        table.add_row(ranker, *(figure(values[name], apart.get(name)) for name in measures))
    return table


def _tests(params: Params, titles: Mapping[str, str]) -> Iterator[Table]:
    """Tables, by task, that compare each taught student with others in the primary measure."""
    values = pl.read_parquet(built(layout.MEASURES)).filter(pl.col("measure") == params.evaluation.primary)
    rows = statistics(params, measures_over_seeds(values))
    for task in dict.fromkeys(row.task for row in rows):
        columns = ["against", "is", "difference", "95 %", "d", "p, t-test", "p, randomisation"]
        table = _table(f"Tests in {params.evaluation.primary}: {titles[task]}", ["student", *columns])
        for row in (row for row in rows if row.task == task):
            tested = row.difference
            between = f"{tested.low:+.3f} to {tested.high:+.3f}"
            chance = [f"{p:.3f}" if p >= 0.001 else "< 0.001" for p in (tested.t_test, tested.randomisation)]
            difference = f"{tested.difference:+.3f}"
            table.add_row(row.ranker, row.other, row.role, difference, between, f"{row.effect:+.2f}", *chance)
        yield table


def _times(latency: MeasuredTimes) -> Table:
    """A table of the times of a server's request: from texts to scores or hits."""
    columns = {f"{kind}, {way}": medians for kind, ways in latency.by_title().items() for way, medians in ways.items()}
    table = _table(f"Milliseconds per query, on {latency.machine}", ["ranker", *columns])
    for ranker in dict.fromkeys(ranker for medians in columns.values() for ranker in medians):
        table.add_row(ranker, *(f"{one[ranker]:.1f}" if ranker in one else "" for one in columns.values()))
    return table


def _graded(graded: GradedTable) -> Table:
    table = _table(graded.title, ["ranker", "expected", "got", "difference", ""])
    for row in graded.rows:
        got = ["", ""] if row.got is None else [f"{row.got:.3f}", f"{row.difference:+.3f}"]
        table.add_row(row.ranker, f"{row.expected:.3f}", *got, row.grade)
    return table


def _table(title: str, columns: list[str]) -> Table:
    table = Table(*columns, title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _read(path: Path) -> Any:
    return json.loads(built(path).read_text("utf-8"))

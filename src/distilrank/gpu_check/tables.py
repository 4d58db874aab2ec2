"""Shows the findings as tables, on a terminal and in Markdown."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table

from distilrank.gpu_check.findings import OURS, PEER, Choice, Findings, Rate

Rows = list[list[str]]
_RATES = ["", "shape", "precision", OURS, "memory", "of the peak", PEER, "times as fast"]
_CHOICES = ["", "precision", "way", "rate", "times the usual", "apart"]


def show(findings: Findings, console: Console) -> None:
    """Shows rates and choices as tables, then the checks that failed or were not made."""
    for title, header, rows in _tables(findings):
        table = Table(*header, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print(_summary(findings), markup=False)
    for outcome in findings.failed():
        console.print(f"failed: {outcome.name}: {outcome.detail}", markup=False, soft_wrap=True)


def markdown(findings: Findings) -> str:
    """All findings: the machine, the tables, and every check with its outcome."""
    machine = {**findings.machine, **findings.machine["versions"]}
    lines = ["# GPU check", "", _summary(findings), ""]
    lines += [f"- {name}: {value}" for name, value in machine.items() if name != "versions"]
    for title, header, rows in _tables(findings):
        lines += ["", f"## {title}", "", *_markdown_table(header, rows)]
    checks = [[one.group, one.name, one.verdict, one.detail, f"{one.seconds:.1f} s"] for one in findings.outcomes]
    lines += ["", "## Checks", "", *_markdown_table(["", "check", "outcome", "detail", "time"], checks), ""]
    return "\n".join(lines)


def _tables(findings: Findings) -> list[tuple[str, list[str], Rows]]:
    tables = [("Rates", _RATES, _rates(findings.rates)), ("Ways to compute", _CHOICES, _choices(findings.choices))]
    return [table for table in tables if table[2]]


def _rates(rates: Sequence[Rate]) -> Rows:
    """Our rates beside the peer's. A rate without a peer's stands alone."""
    peers = {_what(rate): rate for rate in rates if rate.by == PEER}
    rows = []
    for rate in rates:
        if rate.by == PEER:
            continue
        peer = peers.get(_what(rate)) if rate.by == OURS else None
        task = rate.task if rate.by == OURS else f"{rate.task} by {rate.by}"
        rows.append(
            [
                task,
                rate.shape,
                rate.precision,
                f"{_number(rate.per_second)} {rate.unit}/s",
                "" if rate.gib is None else f"{rate.gib:.1f} GiB",
                "" if rate.share_of_peak is None else f"{rate.share_of_peak:.0%}",
                f"{_number(peer.per_second)} {peer.note}".strip() if peer else "",
                f"{rate.per_second / peer.per_second:.2f}" if peer else "",
            ]
        )
    return rows


def _what(rate: Rate) -> tuple[str, str, str]:
    return rate.task, rate.shape, rate.precision


def _choices(choices: Sequence[Choice]) -> Rows:
    rows = []
    for _, group in groupby(choices, lambda choice: (choice.task, choice.precision)):
        same = list(group)
        fastest = max(same, key=lambda choice: choice.times_usual)
        for choice in same:
            mark = " (fastest)" if choice is fastest and len(same) > 1 else ""
            rate = f"{_number(choice.per_second)} {choice.unit}/s"
            times = f"{choice.times_usual:.2f}{mark}"
            rows.append([choice.task, choice.precision, choice.way, rate, times, f"{choice.apart:.0e}"])
    return rows


def _summary(findings: Findings) -> str:
    counted = dict.fromkeys(("passed", "failed", "not checked"), 0)
    for outcome in findings.outcomes:
        counted[outcome.verdict] += 1
    told = ", ".join(f"{count} {verdict}" for verdict, count in counted.items())
    return f"{len(findings.outcomes)} checks: {told}"


def _markdown_table(header: Sequence[str], rows: Rows) -> list[str]:
    return [_line(header), _line(["---"] * len(header)), *(_line(row) for row in rows)]


def _line(cells: Sequence[Any]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

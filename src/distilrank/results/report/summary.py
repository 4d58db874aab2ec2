"""The report in brief, as Markdown for a pull request: its first sentence, the figures, and what teaching changed."""

import re
from collections.abc import Iterator
from html import unescape

from distilrank.results.differences import SIGNIFICANT
from distilrank.results.markdown import markdown_table
from distilrank.results.report.figure_table import Cell, FigureTable, figure_tables
from distilrank.results.report.formats import bare_p_value, score, signed
from distilrank.results.report.gains import gains_in
from distilrank.results.report.inputs import ReportInputs

_LEAD = re.compile(r'<p class="(?:lead|second)">(.*?)</p>', re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_MARKS = {"gain": " ▲", "loss": " ▼", "unclear": ""}


def write_summary(inputs: ReportInputs, page: str) -> str:
    """The summary; `page` is the report, from which it takes the first sentence."""
    return "\n\n".join([f"# {inputs.params.collection.called}", *_lead(page), *_parts(inputs)]) + "\n"


def _lead(page: str) -> Iterator[str]:
    for found in _LEAD.findall(page):
        yield " ".join(unescape(_TAG.sub("", found)).split())


def _parts(inputs: ReportInputs) -> Iterator[str]:
    for table in figure_tables(inputs):
        rows = [[ranker, *(_figure(cell) for cell in cells)] for ranker, cells in table.rows.items()]
        yield f"## {table.title}"
        yield markdown_table(["ranker", *table.measures], rows)
        yield from _gains(inputs, table)
    yield (
        "Best in bold. ▲ and ▼: a gain and a loss against the same student without a teacher, "
        f"p < {SIGNIFICANT} in a paired t-test and in a randomisation test, both corrected by Holm; p is the larger. "
        "Intervals are bootstrapped over queries."
    )


def _gains(inputs: ReportInputs, table: FigureTable) -> Iterator[str]:
    """What teaching changed, for students with a control."""
    controls = {ranker.name: ranker.control or "" for ranker in inputs.rankers}
    rows = [
        [
            f"{ranker} against {controls[ranker]}",
            measure,
            signed(gain.difference) + _MARKS[gain.verdict],
            f"{signed(gain.low)} to {signed(gain.high)}",
            bare_p_value(gain.p_value),
        ]
        for (ranker, measure), gain in gains_in(inputs, table.task).items()
    ]
    if rows:
        yield markdown_table(["by teaching", "measure", "difference", "95 %", "p"], rows, names=2)


def _figure(cell: Cell) -> str:
    value = f"**{score(cell.value)}**" if cell.is_best else score(cell.value)
    deviation = "" if cell.deviation is None else f" ± {score(cell.deviation)}"
    return value + deviation + _MARKS[cell.verdict]

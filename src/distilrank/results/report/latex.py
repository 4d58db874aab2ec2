"""The results as LaTeX, for a paper."""

import re

from distilrank.results.differences import SIGNIFICANT
from distilrank.results.report.figure_table import Cell, FigureTable, figure_tables
from distilrank.results.report.formats import score
from distilrank.results.report.inputs import ReportInputs

_MARKS = {"gain": r"$^{\dagger}$", "loss": r"$^{\ddagger}$", "unclear": ""}
_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def latex_tables(inputs: ReportInputs) -> str:
    """A table per task, for the LaTeX package booktabs."""
    return "\n".join(["% \\usepackage{booktabs}", *(_table(inputs, one) for one in figure_tables(inputs))])


def _table(inputs: ReportInputs, table: FigureTable) -> str:
    rows = [
        " & ".join([_escaped(ranker), *(_figure(cell) for cell in cells)]) + r" \\"
        for ranker, cells in table.rows.items()
    ]
    head = " & ".join(["Ranker", *map(_escaped, table.measures)]) + r" \\"
    caption = (
        f"{_escaped(table.title)} ({_escaped(inputs.params.collection.called)}). Best in bold; $\\dagger$ and "
        f"$\\ddagger$ mark a gain and a loss against the same student without a teacher, $p < {SIGNIFICANT}$."
    )
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{table.task.replace('/', '-')}}}",
            rf"\begin{{tabular}}{{l{'r' * len(table.measures)}}}",
            r"\toprule",
            head,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _figure(cell: Cell) -> str:
    value = rf"\textbf{{{score(cell.value)}}}" if cell.is_best else score(cell.value)
    deviation = "" if cell.deviation is None else rf" $\pm$ {score(cell.deviation)}"
    return value + deviation + _MARKS[cell.verdict]


def _escaped(text: str) -> str:
    return re.sub(r"[\\~^&%$#_{}]", lambda found: _SPECIAL.get(found[0], f"\\{found[0]}"), text)

"""Figures as inline SVG with CSS variables as colours, so that light, dark and print share one drawing."""

import io
import re
from html import escape
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distilrank.results.report.rankers import ReportedRanker

# Matplotlib needs colours, but CSS decides them. In the SVG, variables replace these placeholders.
INK, MUTED, RULE, PAPER, ACCENT = "#200000", "#200001", "#200002", "#200003", "#200004"
_VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper", ACCENT: "--accent"}
_RANKER = re.compile(r"#10([0-9a-f]{4})")
_SIZE = re.compile(r'(width|height)="([\d.]+)pt"')
_SETTINGS: dict[Any, str] = {"svg.fonttype": "none", "font.family": "DejaVu Sans"}
SMALL = 10.5


def colour_of(ranker: ReportedRanker) -> str:
    return f"#10{ranker.number:04x}"


def canvas(width: int, height: int) -> Figure:
    """A figure of this size in CSS pixels, in which a point is a pixel."""
    return Figure(figsize=(width / 72, height / 72), dpi=72)


def plain(axes: Axes) -> None:
    """Reduces the axes to faint lines at the ticks of y and a base line."""
    axes.set_facecolor("none")
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.spines["bottom"].set(color=RULE, linewidth=1)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=MUTED, pad=5)
    axes.grid(axis="y", color=RULE, linewidth=0.75)
    axes.set_axisbelow(True)


def as_svg(figure: Figure, title: str) -> Markup:
    """The figure as an <svg> element; `title` describes it and must differ between the figures of a page."""
    buffer = io.StringIO()
    figure.patch.set_visible(False)
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context(_SETTINGS | {"svg.hashsalt": title}):
        figure.savefig(buffer, format="svg", metadata=nothing)
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    # Matplotlib numbers groups anew in each figure, but ids on one page must differ.
    drawing = re.sub(r'<g id="[^"]*"', "<g", drawing)
    drawing = re.sub(r"<!--.*?-->\s*", "", drawing, flags=re.DOTALL)
    drawing = _SIZE.sub(r'\1="\2"', drawing, count=2)
    drawing = drawing.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)
    for stand_in, variable in _VARIABLES.items():
        drawing = drawing.replace(stand_in, f"var({variable})")
    return Markup(_RANKER.sub(lambda found: f"var(--ranker-{int(found[1], 16)})", drawing))

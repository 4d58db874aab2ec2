"""The page's figures as separate files: SVG that any program reads, and PNG."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import matplotlib
import resvg_py

from distilrank.results.report.colours import light_scheme, without_variables
from distilrank.results.report.inputs import ReportInputs

_FIGURE = re.compile(r'<svg role="img" aria-label="([^"]*)".*?</svg>', re.DOTALL)
_HEIGHT = re.compile(r' height="([\d.]+)"')
_WORDS = re.compile(r"[^a-z0-9]+")
# The least height in pixels. Lower figures are parts of a table's rows and share an axis.
_LOWEST = 100
# Pixels of the PNG per CSS pixel.
_ZOOM = 2
_BACKGROUND = '<rect width="100%" height="100%" fill="var(--paper)"/>'


def figures_of(page: str, inputs: ReportInputs) -> dict[str, str]:
    """A report's figures by name, as whole SVG documents in the colours of the light scheme."""
    style = Path(__file__).with_name("scheme.css").read_text("utf-8")
    variables = light_scheme(style) | {f"ranker-{ranker.number}": ranker.colour for ranker in inputs.rankers}
    drawn: dict[str, str] = {}
    for title, drawing in _drawings(page):
        short = _name(title.partition(":")[0])
        head, body = drawing[: drawing.index(">") + 1], drawing[drawing.index(">") + 1 :]
        document = without_variables(head + _BACKGROUND + body, variables)
        drawn[_name(title) if short in drawn else short] = f'<?xml version="1.0" encoding="utf-8"?>\n{document}\n'
    return drawn


def as_png(svg: str) -> bytes:
    """The figure as PNG, in the font that Matplotlib brings, so that the machine's fonts change nothing."""
    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=_ZOOM,
        font_files=[str(font)],
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
        skip_system_fonts=True,
    )


def _drawings(page: str) -> Iterator[tuple[str, str]]:
    for found in _FIGURE.finditer(page):
        height = _HEIGHT.search(found[0])
        if height and float(height[1]) >= _LOWEST:
            yield unescape(found[1]), found[0]


def _name(title: str) -> str:
    return _WORDS.sub("-", title.lower()).strip("-")

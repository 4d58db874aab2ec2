"""Small histograms of one height, one per row of a table, and the axis that they share."""

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from distilrank.results.report.svg import MUTED, RULE, SMALL, as_svg, canvas, plain

Values = NDArray[np.float64]
Limits = tuple[float, float]
BINS = 100
# Sizes in pixels.
WIDTH, HEIGHT, AXIS = 210, 30, 18


def filled(axes: Axes, counts: Values, edges: Values, colour: str) -> None:
    """Draws a filled histogram."""
    axes.stairs(_scaled(counts), edges, fill=True, color=colour, alpha=0.35)
    axes.stairs(_scaled(counts), edges, color=colour, linewidth=1.2)


def outlined(axes: Axes, counts: Values, edges: Values) -> None:
    """Draws a histogram as a grey line."""
    axes.stairs(_scaled(counts), edges, color=MUTED, linewidth=1)


def _scaled(counts: Values) -> Values:
    """The counts, scaled so that the highest bin is 1."""
    return np.asarray(counts / (counts.max() or 1.0))


def frame(limits: Limits) -> tuple[Figure, Axes]:
    """A figure to draw histograms in."""
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.add_axes((0, 0, 1, 0.98))
    _scale(axes, limits)
    axes.tick_params(labelbottom=False)
    axes.grid(axis="x", color=RULE, linewidth=0.75)
    return figure, axes


def axis(of: str, limits: Limits) -> Markup:
    """The axis below the histograms."""
    figure = canvas(WIDTH, AXIS)
    axes = figure.add_axes((0, 0.99, 1, 0.01))
    _scale(axes, limits)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(pad=3, labelsize=SMALL)
    return as_svg(figure, f"Axis of {of}")


def _scale(axes: Axes, limits: Limits) -> None:
    plain(axes)
    axes.grid(visible=False)
    axes.set(xlim=limits, ylim=(0, 1.08), yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(5))


def limits_of(groups: list[Values]) -> Limits:
    """From the lowest 0.5th to the highest 99.5th percentile of any group, so that far outliers are left out."""
    ends = np.array([np.percentile(group, [0.5, 99.5]) for group in groups if len(group)]).reshape(-1, 2)
    low, high = (float(ends[:, 0].min()), float(ends[:, 1].max())) if len(ends) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin

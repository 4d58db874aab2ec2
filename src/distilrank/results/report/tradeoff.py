"""What effectiveness costs: re-ranking's effectiveness against its time, and what is stored for it."""

import math

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from distilrank.results.report.cost import Costs, dominating
from distilrank.results.report.formats import magnitude_of_bytes
from distilrank.results.report.point_labels import Point, label_points
from distilrank.results.report.svg import ACCENT, MUTED, PAPER, RULE, SMALL, as_svg, canvas, colour_of, plain

WIDTH, HEIGHT = 940, 430
SMALLEST = 8
MARKERS = {"baseline": "D", "teacher": "s", "control": "o", "taught": "o"}


def tradeoff(every: list[Costs], measure: str, milliseconds: float | None) -> Markup:
    """A point per ranker, over the milliseconds of a served query on a log axis.

    A point is larger if encoding passages beforehand would store more. A line joins a taught student to its control.
    Steps join the Pareto front: nothing is both faster and better than a ranker on it. `milliseconds` is the budget, if
    there is one.
    """
    costs = {one.ranker.name: one for one in every if one.milliseconds is not None}
    points = {name: (one.milliseconds or 0.0, one.effectiveness) for name, one in costs.items()}
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.add_axes((0.05, 0.13, 0.93, 0.8))
    _frame(axes, list(points.values()), measure, milliseconds)
    _draw_front(axes, [points[one.ranker.name] for one in dominating(every)])
    if milliseconds:
        _draw_budget(axes, milliseconds)
    rankers = [one.ranker for one in costs.values()]
    taught = [(ranker, (points[ranker.control], points[ranker.name])) for ranker in rankers if ranker.control in points]
    for ranker, line in taught:
        axes.plot(*zip(*line, strict=True), color=colour_of(ranker), linewidth=1.2, zorder=2)
    for one in costs.values():
        _mark(axes, one, points[one.ranker.name])
    label_points(axes, points, [line for _, line in taught], {name: _words(one) for name, one in costs.items()})
    return as_svg(figure, f"{measure} of re-ranking against median milliseconds per query")


def _words(costs: Costs) -> str:
    """A ranker's name, and what it would store."""
    stored = [magnitude_of_bytes(costs.bytes_per_passage)] if costs.bytes_per_passage else []
    return " · ".join([costs.ranker.name, *stored])


def _draw_front(axes: Axes, front: list[Point]) -> None:
    """Draws the front from left to right: the best that each time buys."""
    times, values = zip(*front, strict=True)
    most = axes.get_xlim()[1]
    axes.step([*times, most], [*values, values[-1]], where="post", color=ACCENT, linewidth=5, alpha=0.16, zorder=1)
    axes.annotate(
        "Pareto front",
        (most, values[-1]),
        (-4, 8),
        textcoords="offset pixels",
        ha="right",
        fontsize=SMALL,
        color=ACCENT,
    )


def _draw_budget(axes: Axes, milliseconds: float) -> None:
    axes.axvline(milliseconds, color=MUTED, linewidth=0.9, dashes=(3, 3), zorder=1)
    axes.annotate(
        f"budget: {milliseconds:g} ms", (milliseconds, 0), (5, 7), xycoords=("data", "axes fraction"),
        textcoords="offset pixels", fontsize=SMALL, color=MUTED,
    )  # fmt: skip


def _frame(axes: Axes, points: list[Point], measure: str, budget: float | None) -> None:
    plain(axes)
    times, values = zip(*points, strict=True)
    margin = 0.1 * (max(values) - min(values)) or 0.05
    shown = [*times, *([budget] if budget else [])]
    axes.set_xscale("log")
    axes.set(
        xlim=(10 ** math.floor(math.log10(min(shown) / 1.3)), 10 ** math.ceil(math.log10(max(shown) * 1.3))),
        ylim=(min(values) - 1.5 * margin, max(values) + margin),
    )
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color=RULE, linewidth=0.75)
    axes.tick_params(which="minor", length=0)
    axes.set_title(measure, loc="left", fontsize=SMALL, color=MUTED, pad=8)
    axes.set_xlabel("median milliseconds per query (log scale)", fontsize=SMALL, color=MUTED, loc="right", labelpad=6)


def _mark(axes: Axes, costs: Costs, point: Point) -> None:
    ranker, colour = costs.ranker, colour_of(costs.ranker)
    hollow = ranker.role == "control"
    axes.plot(
        *([value] for value in point),
        MARKERS[ranker.role],
        markersize=_size(costs.bytes_per_passage),
        markerfacecolor=PAPER if hollow else colour,
        markeredgecolor=colour if hollow else PAPER,
        markeredgewidth=2 if hollow else 1,
        zorder=3,
    )


def _size(stored: float | None) -> float:
    """A point's size in pixels, by the logarithm of what is stored; the smallest if that is nothing or unknown."""
    return SMALLEST + 2.5 * math.log10(1 + (stored or 0) / 256)

"""What effectiveness costs: nDCG@10 of re-ranking against the time that it takes."""

import math

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from distilrank.evaluation.report.inputs import ReportInputs
from distilrank.evaluation.report.rankers import ReportedRanker
from distilrank.evaluation.report.results import effectiveness
from distilrank.evaluation.report.svg import INK, MUTED, PAPER, RULE, SMALL, as_svg, canvas, colour_of, plain

WIDTH, HEIGHT = 940, 430
LABEL_SIZE = 12
MARKERS = {"baseline": "D", "teacher": "s", "control": "o", "taught": "o"}
# Where a label may stand beside its point, best first: shift in pixels and alignment.
PLACES = [
    (11, -4, "left"), (-11, -4, "right"), (0, 12, "center"), (0, -21, "center"),
    (10, 10, "left"), (10, -18, "left"), (-10, 10, "right"), (-10, -18, "right"),
    (11, 22, "left"), (11, -30, "left"), (-11, 22, "right"), (-11, -30, "right"),
]  # fmt: skip
Point = tuple[float, float]
Box = tuple[float, float, float, float]


def tradeoff(inputs: ReportInputs) -> Markup:
    """A point a ranker, over milliseconds a query on a log axis; a line joins a taught student to its control."""
    points = {
        ranker.name: (inputs.latency.milliseconds[ranker.name]["median"], effectiveness(inputs, ranker))
        for ranker in inputs.rankers
    }
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.add_axes((0.05, 0.13, 0.93, 0.8))
    _frame(axes, list(points.values()))
    for ranker in inputs.rankers:
        if ranker.control is not None:
            (x, y), (x_control, y_control) = points[ranker.name], points[ranker.control]
            axes.plot([x_control, x], [y_control, y], color=colour_of(ranker), linewidth=1.2, zorder=2)
    for ranker in inputs.rankers:
        _mark(axes, ranker, points[ranker.name])
    _label(axes, points)
    return as_svg(figure, "nDCG@10 of re-ranking against median milliseconds a query")


def _frame(axes: Axes, points: list[Point]) -> None:
    plain(axes)
    times, values = zip(*points, strict=True)
    margin = 0.1 * (max(values) - min(values)) or 0.05
    axes.set_xscale("log")
    axes.set(
        xlim=(10 ** math.floor(math.log10(min(times) / 1.3)), 10 ** math.ceil(math.log10(max(times) * 1.3))),
        ylim=(min(values) - 1.5 * margin, max(values) + margin),
    )
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color=RULE, linewidth=0.75)
    axes.tick_params(which="minor", length=0)
    axes.set_title("nDCG@10", loc="left", fontsize=SMALL, color=MUTED, pad=8)
    axes.set_xlabel("median milliseconds a query (log scale)", fontsize=SMALL, color=MUTED, loc="right", labelpad=6)


def _mark(axes: Axes, ranker: ReportedRanker, point: Point) -> None:
    colour = colour_of(ranker)
    hollow = ranker.role == "control"
    axes.plot(
        *([value] for value in point),
        MARKERS[ranker.role],
        markersize=8 if ranker.role == "baseline" else 10,
        markerfacecolor=PAPER if hollow else colour,
        markeredgecolor=colour if hollow else PAPER,
        markeredgewidth=2 if hollow else 1,
        zorder=3,
    )


def _label(axes: Axes, points: dict[str, Point]) -> None:
    """Writes each name at the first place beside its point that is free, or at the first."""
    pixels = {name: axes.transData.transform(point) for name, point in points.items()}
    taken: list[Box] = [(x - 6, y - 6, x + 6, y + 6) for x, y in pixels.values()]
    for name, (x, y) in pixels.items():
        boxes = [_box(name, x + right, y + up, side) for right, up, side in PLACES]
        free = (number for number, box in enumerate(boxes) if not any(_overlap(box, other) for other in taken))
        number = next(free, 0)
        taken.append(boxes[number])
        right, up, side = PLACES[number]
        axes.annotate(
            name, points[name], (right, up), textcoords="offset pixels", ha=side, fontsize=LABEL_SIZE, color=INK
        )


def _box(name: str, x: float, y: float, side: str) -> Box:
    width = 0.62 * LABEL_SIZE * len(name)
    left = x - width * {"left": 0.0, "center": 0.5, "right": 1.0}[side]
    return left, y - 2, left + width, y + LABEL_SIZE


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]

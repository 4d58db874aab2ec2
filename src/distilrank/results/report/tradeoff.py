"""What effectiveness costs: the primary measure of re-ranking against the time that it takes."""

import math

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from distilrank.evaluation.latency import SINGLE
from distilrank.evaluation.tasks import RERANK
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.results import effectiveness
from distilrank.results.report.svg import INK, MUTED, PAPER, RULE, SMALL, as_svg, canvas, colour_of, plain

WIDTH, HEIGHT = 940, 430
LABEL_SIZE = 12
MARKERS = {"baseline": "D", "teacher": "s", "control": "o", "taught": "o"}
# Where a label may stand beside its point, best first: shift in pixels and alignment.
PLACES = [
    *((11, -4, "left"), (-11, -4, "right"), (0, 12, "center"), (0, -21, "center")),
    *((side * 10, up, align) for up in (10, -18, 22, -30, 36, -44) for side, align in ((1, "left"), (-1, "right"))),
    *((side * 40, up, align) for up in (-4, 14, -22, 32, -40) for side, align in ((1, "left"), (-1, "right"))),
]
Point = tuple[float, float]


def tradeoff(inputs: ReportInputs) -> Markup:
    """A point a ranker, over milliseconds a query on a log axis; a line joins a taught student to its control."""
    times = inputs.latency.medians(RERANK, SINGLE)
    points = {
        ranker.name: (times[ranker.name], effectiveness(inputs, ranker))
        for ranker in inputs.rankers
        if ranker.name in times
    }
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.add_axes((0.05, 0.13, 0.93, 0.8))
    _frame(axes, list(points.values()), inputs.measure)
    taught = {ranker: (points[ranker.control], points[ranker.name]) for ranker in inputs.rankers if ranker.control}
    for ranker, line in taught.items():
        axes.plot(*zip(*line, strict=True), color=colour_of(ranker), linewidth=1.2, zorder=2)
    for ranker in (ranker for ranker in inputs.rankers if ranker.name in points):
        _mark(axes, ranker, points[ranker.name])
    _label(axes, points, list(taught.values()))
    return as_svg(figure, f"{inputs.measure} of re-ranking against median milliseconds a query")


def _frame(axes: Axes, points: list[Point], measure: str) -> None:
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
    axes.set_title(measure, loc="left", fontsize=SMALL, color=MUTED, pad=8)
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


def _label(axes: Axes, points: dict[str, Point], lines: list[tuple[Point, Point]]) -> None:
    """Writes each name at the place beside its point that is free, or else in the way of least."""
    pixels = {name: axes.transData.transform(point) for name, point in points.items()}
    drawn = [Path(axes.transData.transform(line)) for line in lines]
    taken = [Bbox.from_extents(x - 6, y - 6, x + 6, y + 6) for x, y in pixels.values()]
    for name, (x, y) in pixels.items():
        boxes = [_box(name, x + right, y + up, side) for right, up, side in PLACES]
        box = min(boxes, key=lambda box: _crowding(box, taken, drawn, axes.bbox))
        right, up, side = PLACES[boxes.index(box)]
        taken.append(box)
        axes.annotate(
            name, points[name], (right, up), textcoords="offset pixels", ha=side, fontsize=LABEL_SIZE, color=INK
        )


def _crowding(box: Bbox, taken: list[Bbox], drawn: list[Path], page: Bbox) -> int:
    """How much stands in a label's way; another label or point is worse than a line."""
    overlaps = sum(box.overlaps(other) for other in taken) + (
        not all(page.contains(*corner) for corner in (box.min, box.max))
    )
    return 2 * overlaps + sum(line.intersects_bbox(box, filled=False) for line in drawn)


def _box(name: str, x: float, y: float, side: str) -> Bbox:
    width = 0.62 * LABEL_SIZE * len(name)
    left = x - width * {"left": 0.0, "center": 0.5, "right": 1.0}[side]
    return Bbox.from_extents(left, y - 2, left + width, y + LABEL_SIZE)

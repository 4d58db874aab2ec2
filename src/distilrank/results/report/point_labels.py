"""Writes names beside the points of a figure, where they cover least."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.path import Path
from matplotlib.transforms import Bbox

from distilrank.results.report.svg import INK

Point = tuple[float, float]
_SIZE = 12
# The places of a label beside its point, best first: shift in pixels and alignment.
_PLACES = [
    *((11, -4, "left"), (-11, -4, "right"), (0, 12, "center"), (0, -21, "center")),
    *((side * 10, up, align) for up in (10, -18, 22, -30, 36, -44) for side, align in ((1, "left"), (-1, "right"))),
    *((side * 40, up, align) for up in (-4, 14, -22, 32, -40) for side, align in ((1, "left"), (-1, "right"))),
]


def label_points(
    axes: Axes, points: Mapping[str, Point], lines: Sequence[tuple[Point, Point]], words: Mapping[str, str]
) -> None:
    """Writes the words for each point beside it, at the first free place or else where they cover least."""
    axes.autoscale_view()  # else limits that follow from the points are not yet known
    pixels = {name: axes.transData.transform(point) for name, point in points.items()}
    drawn = [Path(axes.transData.transform(line)) for line in lines]
    taken = [Bbox.from_extents(x - 6, y - 6, x + 6, y + 6) for x, y in pixels.values()]
    for name, (x, y) in pixels.items():
        boxes = [_box(words[name], x + right, y + up, side) for right, up, side in _PLACES]
        box = min(boxes, key=lambda box: _crowding(box, taken, drawn, axes.bbox))
        right, up, side = _PLACES[boxes.index(box)]
        taken.append(box)
        axes.annotate(
            words[name], points[name], (right, up), textcoords="offset pixels", ha=side, fontsize=_SIZE, color=INK
        )


def _crowding(box: Bbox, taken: list[Bbox], drawn: list[Path], page: Bbox) -> int:
    """How much a label would cover. Another label or point counts more than a line."""
    overlaps = sum(box.overlaps(other) for other in taken) + (
        not all(page.contains(*corner) for corner in (box.min, box.max))
    )
    return 2 * overlaps + sum(line.intersects_bbox(box, filled=False) for line in drawn)


def _box(name: str, x: float, y: float, side: str) -> Bbox:
    width = 0.62 * _SIZE * len(name)
    left = x - width * {"left": 0.0, "center": 0.5, "right": 1.0}[side]
    return Bbox.from_extents(left, y - 2, left + width, y + _SIZE)

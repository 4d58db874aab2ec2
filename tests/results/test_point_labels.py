"""Names beside the points of a figure."""

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg

from distilrank.results.report.point_labels import Point, label_points
from distilrank.results.report.svg import canvas

# Four searches of one student, so near each other that each name fits one side only; and others far away.
POINTS: dict[str, Point] = {
    "bm25": (5.8, 0.642),
    "dot-T1": (12.9, 0.643),
    "dot-hnsw-T1": (12.9, 0.638),
    "dot-ivf-T1": (12.5, 0.626),
    "dot-sq8-T1": (12.3, 0.643),
    "cascade": (145.3, 0.781),
}


def test_names_in_a_crowd_do_not_overlap_though_the_limits_follow_from_the_points() -> None:
    figure = canvas(940, 380)
    axes = figure.add_axes((0.05, 0.15, 0.93, 0.76))
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.15)
    for point in POINTS.values():
        axes.plot(*([value] for value in point), "o")
    label_points(axes, POINTS, [], {name: name for name in POINTS})
    drawn = FigureCanvasAgg(figure).get_renderer()
    boxes = {text.get_text(): text.get_window_extent(drawn) for text in axes.texts}
    assert boxes.keys() == POINTS.keys()
    assert [pair for pair in combinations(boxes, 2) if boxes[pair[0]].overlaps(boxes[pair[1]])] == []

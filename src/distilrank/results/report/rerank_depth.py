"""How deep it pays to re-rank: effectiveness if only the first candidates are re-ranked."""

from dataclasses import dataclass
from itertools import chain

import polars as pl
from ir_measures import parse_measure
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from distilrank.evaluation.measures import measure
from distilrank.results.report.breakdown import label_ends
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.runs import KEY
from distilrank.results.report.svg import MUTED, PAPER, SMALL, as_svg, canvas, colour_of, plain

WIDTH, HEIGHT = 290, 230
DEPTHS = (10, 20, 50, 100, 200, 500, 1000)
Curve = dict[int, float]


@dataclass(frozen=True)
class DepthCurves:
    """Each ranker's effectiveness by depth, and a figure per student beside its teachers."""

    depths: list[int]
    first_stage: tuple[ReportedRanker, float]
    curves: list[tuple[ReportedRanker, Curve]]
    drawn: list[Markup]


def depth_curves(inputs: ReportInputs) -> DepthCurves | None:
    """The curves of teachers and students on the drawn queries; None if the evaluation is no deeper than the first."""
    depths = depths_up_to(inputs.params.evaluation.depth)
    if len(depths) < 2:
        return None
    shown = [ranker for ranker in inputs.rankers if ranker.role == "teacher" or ranker.is_student]
    first = inputs.rankers[0]
    order = inputs.runs.of_drawn(first.name).select(*KEY, first="rank")
    below = _mean(inputs, order.with_columns(score=-pl.col("first").cast(pl.Float64)))
    curves = {ranker: _curve(inputs, ranker, order, depths) for ranker in shown}
    every = [*chain.from_iterable(curve.values() for curve in curves.values()), below]
    margin = 0.06 * (max(every) - min(every)) or 0.05
    limits = min(every) - margin, max(every) + margin
    students = dict.fromkeys(ranker.student for ranker in shown if ranker.student)
    drawn = [_draw(student, inputs.measure, curves, (first, below), limits) for student in students if student]
    return DepthCurves(depths, (first, below), list(curves.items()), drawn)


def depths_up_to(deepest: int) -> list[int]:
    """The usual depths below the deepest one, and the deepest one."""
    return [*(depth for depth in DEPTHS if depth < deepest), deepest]


def cut(run: pl.DataFrame, depth: int) -> pl.DataFrame:
    """The run that results if only the first `depth` candidates are re-ranked and the others keep their order below.

    `run` is (query_id, passage_id, rank, first), in which `first` is the rank in the first stage. The result's scores
    only express its order.
    """
    beyond = pl.col("first") > depth
    order = run.sort("query_id", beyond, pl.when(beyond).then("first").otherwise("rank"))
    return order.with_columns(score=-pl.int_range(1, pl.len() + 1).over("query_id").cast(pl.Float64))


def _curve(inputs: ReportInputs, ranker: ReportedRanker, order: pl.DataFrame, depths: list[int]) -> Curve:
    """A ranker's curve; `order` is the first stage's (query_id, passage_id, first)."""
    run = inputs.runs.of_drawn(ranker.name).select(*KEY, "rank").join(order, on=KEY)
    return {depth: _mean(inputs, cut(run, depth)) for depth in depths}


def _mean(inputs: ReportInputs, run: pl.DataFrame) -> float:
    """The mean of the primary measure over the drawn queries. The run's scores only express its order."""
    judged = inputs.collection.qrels_of(inputs.primary_set).join(inputs.runs.drawn, on="query_id", how="semi")
    # Passages below the measure's cut-off change nothing.
    deepest = parse_measure(inputs.measure).params.get("cutoff")
    kept = run.filter(pl.col("score") >= -deepest) if deepest else run
    values = measure(kept, judged, inputs.params.minimum_relevance(inputs.primary_set), [inputs.measure])["value"]
    return float(values.to_numpy().mean())


def _draw(
    student: str,
    measure: str,
    curves: dict[ReportedRanker, Curve],
    first: tuple[ReportedRanker, float],
    limits: tuple[float, float],
) -> Markup:
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.add_axes((0.12, 0.17, 0.62, 0.72))
    plain(axes)
    ends = [(first[0].name, first[1])]
    axes.axhline(first[1], color=colour_of(first[0]), linewidth=1, dashes=(2, 2))
    for ranker, curve in curves.items():
        if ranker.student in (student, None):
            x, y = list(curve), list(curve.values())
            colour, hollow = colour_of(ranker), ranker.role == "control"
            axes.plot(x, y, "--" if hollow else "-", color=colour, linewidth=1.5)
            axes.plot(x[-1:], y[-1:], "o", color=PAPER if hollow else colour, markeredgecolor=colour, markersize=5)
            ends.append((ranker.name, y[-1]))
    depths = list(next(iter(curves.values())))
    axes.set_xscale("log")
    axes.set(xlim=(depths[0] / 1.1, depths[-1] * 1.1), ylim=limits)
    axes.set_xticks([*(depth for depth in depths if depth < depths[-1] / 1.5), depths[-1]])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_title(measure, loc="left", fontsize=SMALL, color=MUTED, pad=7)
    axes.set_xlabel("candidates re-ranked (log scale)", fontsize=SMALL, color=MUTED, labelpad=4)
    label_ends(axes, ends)
    return as_svg(figure, f"{measure} of {student} by the number of candidates that are re-ranked")

"""How scores and margins are spread: scores differ in range between rankers, margins can be compared."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from distilrank.evaluation.report.inputs import ReportInputs
from distilrank.evaluation.report.rankers import ReportedRanker
from distilrank.evaluation.report.svg import INK, MUTED, RULE, SMALL, as_svg, canvas, colour_of, plain

Values = NDArray[np.float64]
Limits = tuple[float, float]
BINS = 60
# In pixels.
WIDTH, ROW, TOP, BOTTOM, NAME, GAP, RIGHT = 940, 46, 30, 30, 120, 40, 10


@dataclass(frozen=True)
class Scores:
    """One ranker's scores of positives and negatives, and positive less negative within each query."""

    ranker: ReportedRanker
    positives: Values
    negatives: Values
    margins: Values


def score_distributions(inputs: ReportInputs) -> Markup:
    """A row a ranker: scores on the left, margins on the right, each side on one scale."""
    rows = [_scores(ranker, inputs.runs[ranker.name]) for ranker in inputs.rankers]
    score_limits = _limits([side for row in rows for side in (row.positives, row.negatives)])
    margin_limits = _limits([row.margins for row in rows])
    height = TOP + ROW * len(rows) + BOTTOM
    figure = canvas(WIDTH, height)
    half = (WIDTH - NAME - GAP - RIGHT) / 2
    for number, row in enumerate(rows):
        bottom = 1 - (TOP + ROW * (number + 1)) / height
        left, right = (
            figure.add_axes((start / WIDTH, bottom, half / WIDTH, 0.86 * ROW / height))
            for start in (NAME, NAME + half + GAP)
        )
        figure.text(0, bottom + 4 / height, row.ranker.name, fontsize=12, color=INK)
        _draw_scores(left, row, score_limits)
        _draw_margins(right, row, margin_limits)
        if number == 0:
            left.set_title("Scores", loc="left", fontsize=12, color=INK, pad=8)
            right.set_title("Margins", loc="left", fontsize=12, color=INK, pad=8)
        if row is not rows[-1]:
            left.tick_params(labelbottom=False)
            right.tick_params(labelbottom=False)
    return as_svg(figure, "Distribution of scores and of margins by ranker")


def _scores(ranker: ReportedRanker, run: pl.DataFrame) -> Scores:
    positives, negatives = run.filter(pl.col("relevant")), run.filter(~pl.col("relevant"))
    pairs = positives.join(negatives, on="query_id", maintain_order="left_right")
    margins = pairs["score"] - pairs["score_right"]
    return Scores(ranker, positives["score"].to_numpy(), negatives["score"].to_numpy(), margins.to_numpy())


def _draw_scores(axes: Axes, row: Scores, limits: Limits) -> None:
    _bare(axes, limits)
    edges = np.linspace(*limits, BINS + 1)
    negatives, positives = _density(row.negatives, edges), _density(row.positives, edges)
    peak = max(negatives.max(), positives.max()) or 1.0
    colour = colour_of(row.ranker)
    axes.stairs(positives / peak, edges, fill=True, color=colour, alpha=0.35)
    axes.stairs(positives / peak, edges, color=colour, linewidth=1.3)
    axes.stairs(negatives / peak, edges, color=MUTED, linewidth=1)


def _draw_margins(axes: Axes, row: Scores, limits: Limits) -> None:
    _bare(axes, limits)
    edges = np.linspace(*limits, BINS + 1)
    margins = _density(row.margins, edges)
    colour = colour_of(row.ranker)
    axes.stairs(margins / (margins.max() or 1.0), edges, fill=True, color=colour, alpha=0.35)
    axes.stairs(margins / (margins.max() or 1.0), edges, color=colour, linewidth=1.3)
    axes.axvline(0, color=MUTED, linewidth=0.8, dashes=(2, 2))
    if len(row.margins):
        above = f"{100 * np.mean(row.margins > 0):.0f} % above 0"
        axes.text(1, 0.62, above, transform=axes.transAxes, ha="right", fontsize=SMALL, color=MUTED)


def _bare(axes: Axes, limits: Limits) -> None:
    plain(axes)
    axes.grid(visible=False)
    axes.grid(axis="x", color=RULE, linewidth=0.75)
    axes.set(xlim=limits, ylim=(0, 1.08), yticks=[])


def _density(values: Values, edges: Values) -> Values:
    counts = np.histogram(values, edges)[0]
    return np.asarray(counts / max(len(values), 1), dtype=np.float64)


def _limits(groups: list[Values]) -> Limits:
    """From the lowest 0.5th to the highest 99.5th percentile of any group: far outliers are left out."""
    ends = np.array([np.percentile(group, [0.5, 99.5]) for group in groups if len(group)]).reshape(-1, 2)
    low, high = (float(ends[:, 0].min()), float(ends[:, 1].max())) if len(ends) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin

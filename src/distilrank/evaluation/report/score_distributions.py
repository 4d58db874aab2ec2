"""How scores and margins are spread: models score in ranges of their own, and margins are what a student learns.

As the figure of score distributions in arXiv 2010.02666.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from distilrank.evaluation.report.inputs import ReportInputs
from distilrank.evaluation.report.rankers import ReportedRanker
from distilrank.evaluation.report.svg import INK, MUTED, RULE, SMALL, as_svg, canvas, colour_of, plain

Values = NDArray[np.float64]
Limits = tuple[float, float]
KEY = ["query_id", "passage_id"]
BINS = 100
# In pixels.
WIDTH, HEIGHT, AXIS = 210, 30, 18


@dataclass(frozen=True)
class Scores:
    """Scores of positives and negatives, and positive less negative within each query; `ranker` None: an ensemble."""

    name: str
    ranker: ReportedRanker | None
    positives: Values
    negatives: Values
    margins: Values

    @property
    def colour(self) -> str:
        return colour_of(self.ranker) if self.ranker else INK

    @property
    def spreads(self) -> list[tuple[float, float] | None]:
        """Mean and standard deviation of positives, negatives and margins; None where there are none."""
        groups = (self.positives, self.negatives, self.margins)
        return [(float(group.mean()), float(group.std())) if len(group) else None for group in groups]


@dataclass(frozen=True)
class Row:
    model: Scores
    scores: Markup
    margins: Markup


@dataclass(frozen=True)
class ScoreDistributions:
    """A row a model, all on one axis of scores and one of margins, which are drawn once."""

    rows: list[Row]
    score_axis: Markup
    margin_axis: Markup


def score_distributions(inputs: ReportInputs) -> ScoreDistributions:
    """Of the re-ranked candidates: teachers, ensembles of them, students; a taught one with its teacher's margins."""
    models = _models(inputs)
    score_limits = _limits([side for model in models.values() for side in (model.positives, model.negatives)])
    # Controls, which no teacher holds to a scale, may reach beyond.
    compared = [model for model in models.values() if model.ranker is None or model.ranker.role != "control"]
    margin_limits = _limits([model.margins for model in compared])
    rows = [
        Row(model, _draw_scores(model, score_limits), _draw_margins(model, _teacher_of(model, models), margin_limits))
        for model in models.values()
    ]
    return ScoreDistributions(rows, _axis("scores", score_limits), _axis("margins", margin_limits))


def _models(inputs: ReportInputs) -> dict[str, Scores]:
    models = [
        _scores(ranker.name, ranker, inputs.runs[ranker.name]) for ranker in inputs.rankers if ranker.role != "baseline"
    ]
    teachers = [model for model in models if model.ranker and model.ranker.role == "teacher"]
    ensembles = [
        _scores(name, None, _combined([inputs.runs[member] for member in ensemble.members], ensemble.combine))
        for name, ensemble in inputs.params.ensembles.items()
        # z-mean scales by the training pairs' scores, which are not at hand.
        if ensemble.combine != "z-mean"
    ]
    return {model.name: model for model in [*teachers, *ensembles, *models]}


def _combined(runs: list[pl.DataFrame], how: Literal["mean", "median"]) -> pl.DataFrame:
    score = pl.col("score").mean() if how == "mean" else pl.col("score").median()
    return pl.concat(runs).group_by(*KEY, "relevant", maintain_order=True).agg(score)


def _scores(name: str, ranker: ReportedRanker | None, run: pl.DataFrame) -> Scores:
    positives, negatives = run.filter(pl.col("relevant")), run.filter(~pl.col("relevant"))
    pairs = positives.join(negatives, on="query_id", maintain_order="left_right")
    margins = pairs["score"] - pairs["score_right"]
    return Scores(name, ranker, positives["score"].to_numpy(), negatives["score"].to_numpy(), margins.to_numpy())


def _teacher_of(model: Scores, models: dict[str, Scores]) -> Scores | None:
    return models.get(model.ranker.teacher or "") if model.ranker else None


def _draw_scores(model: Scores, limits: Limits) -> Markup:
    figure, axes = _frame(limits)
    edges = np.linspace(*limits, BINS + 1)
    _fill(axes, model.positives, edges, model.colour)
    _outline(axes, model.negatives, edges)
    return as_svg(figure, f"Scores of {model.name}: positive and negative passages")


def _draw_margins(model: Scores, teacher: Scores | None, limits: Limits) -> Markup:
    figure, axes = _frame(limits)
    edges = np.linspace(*limits, BINS + 1)
    axes.axvline(0, color=MUTED, linewidth=0.8, dashes=(2, 2))
    _fill(axes, model.margins, edges, model.colour)
    if teacher:
        _outline(axes, teacher.margins, edges)
    return as_svg(figure, f"Margins of {model.name}" + (f", and of {teacher.name}" if teacher else ""))


def _fill(axes: Axes, values: Values, edges: Values, colour: str) -> None:
    axes.stairs(_heights(values, edges), edges, fill=True, color=colour, alpha=0.35)
    axes.stairs(_heights(values, edges), edges, color=colour, linewidth=1.2)


def _outline(axes: Axes, values: Values, edges: Values) -> None:
    axes.stairs(_heights(values, edges), edges, color=MUTED, linewidth=1)


def _heights(values: Values, edges: Values) -> Values:
    """A histogram whose highest bin is 1."""
    counts = np.histogram(values, edges)[0].astype(np.float64)
    return np.asarray(counts / (counts.max() or 1.0))


def _frame(limits: Limits) -> tuple[Figure, Axes]:
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.add_axes((0, 0, 1, 0.98))
    _scale(axes, limits)
    axes.tick_params(labelbottom=False)
    axes.grid(axis="x", color=RULE, linewidth=0.75)
    return figure, axes


def _axis(of: str, limits: Limits) -> Markup:
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


def _limits(groups: list[Values]) -> Limits:
    """From the lowest 0.5th to the highest 99.5th percentile of any group: far outliers are left out."""
    ends = np.array([np.percentile(group, [0.5, 99.5]) for group in groups if len(group)]).reshape(-1, 2)
    low, high = (float(ends[:, 0].min()), float(ends[:, 1].max())) if len(ends) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin

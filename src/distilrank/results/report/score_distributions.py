"""How scores and margins are spread. Each model scores in its own range, and a student learns margins.

It follows the figure of score distributions in arXiv 2010.02666.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from markupsafe import Markup

from distilrank.results.report.histograms import BINS, Limits, Values, axis, filled, frame, limits_of, outlined
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.svg import INK, MUTED, as_svg, colour_of


@dataclass(frozen=True)
class Distributions:
    """Scores of positives and negatives, and positive minus negative per query; `ranker` is None for an ensemble."""

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
        """Mean and standard deviation of positives, negatives and margins; None if there are none."""
        groups = (self.positives, self.negatives, self.margins)
        return [(float(group.mean()), float(group.std())) if len(group) else None for group in groups]


@dataclass(frozen=True)
class Row:
    model: Distributions
    scores: Markup
    margins: Markup


@dataclass(frozen=True)
class ScoreDistributions:
    """A row per model, all on one axis of scores and one of margins, which are each drawn once."""

    rows: list[Row]
    score_axis: Markup
    margin_axis: Markup


def score_distributions(inputs: ReportInputs) -> ScoreDistributions:
    """The distributions over re-ranked candidates of teachers, ensembles and students.

    A taught student is drawn with its teacher's margins.
    """
    models = _models(inputs)
    score_limits = limits_of([side for model in models.values() for side in (model.positives, model.negatives)])
    # Controls may reach beyond the axes, because no teacher holds them to a scale.
    compared = [model for model in models.values() if model.ranker is None or model.ranker.role != "control"]
    margin_limits = limits_of([model.margins for model in compared])
    rows = [
        Row(model, _draw_scores(model, score_limits), _draw_margins(model, _teacher_of(model, models), margin_limits))
        for model in models.values()
    ]
    return ScoreDistributions(rows, axis("scores", score_limits), axis("margins", margin_limits))


def _models(inputs: ReportInputs) -> dict[str, Distributions]:
    models = [
        _scores(ranker.name, ranker, inputs.runs.of_drawn(ranker.name))
        for ranker in inputs.rankers
        if ranker.role not in ("baseline", "start", "system") or ranker.name in inputs.params.matrix.teachers
    ]
    teachers = [model for model in models if model.ranker and model.ranker.role == "teacher"]
    combined = ((name, inputs.runs.of_teacher_drawn(name)) for name in inputs.params.ensembles)
    ensembles = [_scores(name, None, run) for name, run in combined if run is not None]
    return {model.name: model for model in [*teachers, *ensembles, *models]}


def _scores(name: str, ranker: ReportedRanker | None, run: pl.DataFrame) -> Distributions:
    scores = run.select("query_id", "score", "relevant")
    positives, negatives = scores.filter(pl.col("relevant")), scores.filter(~pl.col("relevant"))
    pairs = positives.join(negatives, on="query_id", maintain_order="left_right")
    margins = pairs["score"] - pairs["score_right"]
    return Distributions(name, ranker, positives["score"].to_numpy(), negatives["score"].to_numpy(), margins.to_numpy())


def _teacher_of(model: Distributions, models: dict[str, Distributions]) -> Distributions | None:
    return models.get(model.ranker.teacher or "") if model.ranker else None


def _draw_scores(model: Distributions, limits: Limits) -> Markup:
    figure, axes = frame(limits)
    edges = np.linspace(*limits, BINS + 1)
    filled(axes, _counts(model.positives, edges), edges, model.colour)
    outlined(axes, _counts(model.negatives, edges), edges)
    return as_svg(figure, f"Scores of {model.name}: positive and negative passages")


def _draw_margins(model: Distributions, teacher: Distributions | None, limits: Limits) -> Markup:
    figure, axes = frame(limits)
    edges = np.linspace(*limits, BINS + 1)
    axes.axvline(0, color=MUTED, linewidth=0.8, dashes=(2, 2))
    filled(axes, _counts(model.margins, edges), edges, model.colour)
    if teacher:
        outlined(axes, _counts(teacher.margins, edges), edges)
    return as_svg(figure, f"Margins of {model.name}" + (f", and of {teacher.name}" if teacher else ""))


def _counts(values: Values, edges: Values) -> Values:
    return np.histogram(values, edges)[0].astype(np.float64)

"""How each model was trained: its loss, its validation with the step that was kept, its margins and its gradients."""

from statistics import fmean

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.svg import INK, MUTED, PAPER, RULE, SMALL, as_svg, canvas, colour_of, plain
from distilrank.training.history import History, Point

WIDTH, HEIGHT = 290, 330
LINES = {RERANK: "-", RETRIEVE: "--"}


def training_curves(inputs: ReportInputs) -> list[tuple[ReportedRanker, float, Markup]]:
    """Each trained model with its share of padding and a figure.

    Validation has one scale for all models. Losses and margins differ in kind, so each model has its own scale.
    """
    curves = [curve for history in inputs.histories.values() for curve in history.validation.values()]
    values = [value for curve in curves for _, value in curve]
    margin = 0.08 * (max(values) - min(values)) or 0.05
    limits = min(values) - margin, max(values) + 2 * margin
    trained = [(ranker, inputs.histories[ranker.name]) for ranker in inputs.rankers if ranker.name in inputs.histories]
    measure = inputs.params.validation.measure
    return [
        (
            ranker,
            fmean(share for _, share in history.padding),
            _drawing(ranker, history, limits, measure),
        )
        for ranker, history in trained
    ]


def _drawing(ranker: ReportedRanker, history: History, limits: tuple[float, float], measure: str) -> Markup:
    figure, colour = canvas(WIDTH, HEIGHT), colour_of(ranker)
    # The boxes are left, bottom, width and height, as shares of the figure.
    loss = _axes(figure, (0.14, 0.75, 0.83, 0.2), "Loss", history)
    validation = _axes(figure, (0.14, 0.42, 0.83, 0.24), f"Validation {measure}", history)
    margins = _axes(figure, (0.14, 0.07, 0.34, 0.2), "Margin", history)
    gradient = _axes(figure, (0.63, 0.07, 0.34, 0.2), "Gradient norm", history)
    loss.tick_params(labelbottom=False)
    loss.plot(*_columns(history.loss), color=colour, linewidth=1.3)
    for kind, curve in history.validation.items():
        validation.plot(*_columns(curve), LINES[kind], color=colour, linewidth=1.8)
    validation.set_ylim(limits)
    _mark_best(validation, ranker, history)
    margins.axhline(0, color=RULE, linewidth=0.75)
    for whose, curve in history.margins.items():
        margins.plot(*_columns(curve), color=colour if whose == "student" else MUTED, linewidth=1.3)
    gradient.plot(*_columns(history.grad_norm), color=colour, linewidth=1.3)
    gradient.set_ylim(bottom=0)
    return as_svg(figure, f"Training of {ranker.name}: loss, validation {measure}, margins and gradient norm by step")


def _axes(figure: Figure, place: tuple[float, float, float, float], title: str, history: History) -> Axes:
    axes = figure.add_axes(place)
    plain(axes)
    axes.set_title(title, loc="left", fontsize=SMALL, color=MUTED, pad=6)
    axes.set_xlim(0, 1.02 * history.loss[-1][0])
    axes.xaxis.set_major_locator(MaxNLocator(4 if place[2] > 0.5 else 2, integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.axvline(history.best_step, color=MUTED, linewidth=0.8, dashes=(2, 2))
    return axes


def _mark_best(axes: Axes, ranker: ReportedRanker, history: History) -> None:
    for kind in history.validation:
        point = [history.best_step], [history.at_best(kind)]
        axes.plot(*point, "o", color=colour_of(ranker), markeredgecolor=PAPER, markersize=7)
    best = dict(history.selection)[history.best_step]
    axes.set_title(f"{best:.3f} at step {history.best_step}", loc="right", fontsize=SMALL, color=INK, pad=6)


def _columns(points: list[Point]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]

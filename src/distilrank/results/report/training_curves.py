"""How each model was trained: its loss, and nDCG@10 on dev queries with the step that was kept."""

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.svg import INK, MUTED, PAPER, SMALL, as_svg, canvas, colour_of, plain
from distilrank.training.history import History

WIDTH, HEIGHT = 290, 230
LINES = {RERANK: "-", RETRIEVE: "--"}


def training_curves(inputs: ReportInputs) -> list[tuple[ReportedRanker, Markup]]:
    """A drawing a trained model. Validation has one scale for all; losses differ in kind, so each has its own."""
    curves = [curve for history in inputs.histories.values() for curve in history.validation.values()]
    values = [value for curve in curves for _, value in curve]
    margin = 0.08 * (max(values) - min(values)) or 0.05
    limits = min(values) - margin, max(values) + 2 * margin
    trained = [ranker for ranker in inputs.rankers if ranker.name in inputs.histories]
    return [(ranker, _drawing(ranker, inputs.histories[ranker.name], limits)) for ranker in trained]


def _drawing(ranker: ReportedRanker, history: History, limits: tuple[float, float]) -> Markup:
    figure = canvas(WIDTH, HEIGHT)
    upper = figure.add_axes((0.14, 0.62, 0.83, 0.3))
    lower = figure.add_axes((0.14, 0.1, 0.83, 0.36), sharex=upper)
    for axes, title in ((upper, "Loss"), (lower, "Validation nDCG@10")):
        plain(axes)
        axes.set_title(title, loc="left", fontsize=SMALL, color=MUTED, pad=6)
        axes.yaxis.set_major_locator(MaxNLocator(3))
    upper.tick_params(labelbottom=False)
    lower.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    upper.plot(*_columns(history.loss), color=colour_of(ranker), linewidth=1.3)
    for kind, curve in history.validation.items():
        lower.plot(*_columns(curve), LINES[kind], color=colour_of(ranker), linewidth=1.8)
    lower.set_ylim(limits)
    for axes in (upper, lower):
        axes.axvline(history.best_step, color=MUTED, linewidth=0.8, dashes=(2, 2))
    _mark_best(lower, ranker, history)
    return as_svg(figure, f"Training of {ranker.name}: loss and validation nDCG@10 by step")


def _mark_best(axes: Axes, ranker: ReportedRanker, history: History) -> None:
    for kind in history.validation:
        point = [history.best_step], [history.at_best(kind)]
        axes.plot(*point, "o", color=colour_of(ranker), markeredgecolor=PAPER, markersize=7)
    best = dict(history.selection)[history.best_step]
    axes.set_title(f"{best:.3f} at step {history.best_step}", loc="right", fontsize=SMALL, color=INK, pad=6)


def _columns(points: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]

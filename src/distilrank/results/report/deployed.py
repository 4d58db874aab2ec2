"""The searches that may answer people: how good they are, against the time from a query's text to ids."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isclose, nan

from markupsafe import Markup
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.config.systems import first_stages, indexes_of
from distilrank.evaluation.latency import FIRST_STAGE, READS, RERANKING, WHOLE, Times
from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.results.index_audit import Audited
from distilrank.results.report.formats import score
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.point_labels import Point, label_points
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.svg import MUTED, PAPER, RULE, SMALL, as_svg, canvas, colour_of, plain
from distilrank.sections.data import BM25
from distilrank.sections.systems import WeightedSum

WIDTH, HEIGHT = 940, 380
# By how much means that are written with four digits may differ.
_ROUNDED = 1e-4


@dataclass(frozen=True)
class DeployedRow:
    """A search at one depth.

    `effectiveness` is known only at the depth where it is measured. The milliseconds of parts are medians with all
    threads, and None if nothing re-ranks. `alone` is the median end to end with one thread.
    """

    ranker: ReportedRanker
    depth: int
    effectiveness: float | None
    first: float | None
    reads: float | None
    reranking: float | None
    whole: Times
    alone: float


def deployed_rows(inputs: ReportInputs) -> list[DeployedRow]:
    """The rows in the order of the report, a model's indexes after it. The depth at which a search is measured comes
    first."""
    named = (
        replace(one, name=name) for one in inputs.rankers for name in (one.name, *indexes_of(inputs.params, one.name))
    )
    return [row for ranker in named if ranker.name in inputs.latency.deployed for row in _rows(inputs, ranker)]


def _rows(inputs: ReportInputs, ranker: ReportedRanker) -> Iterator[DeployedRow]:
    one = inputs.latency.deployed[ranker.name]
    for depth in sorted(map(int, one.milliseconds), key=lambda depth: (depth != one.depth, depth)):
        parts = one.with_all_threads(depth)
        first, reads, reranking = (
            parts[part]["p50"] if part in parts else None for part in (FIRST_STAGE, READS, RERANKING)
        )
        known = _effectiveness(inputs, ranker.name) if depth == one.depth else None
        alone = one.milliseconds[str(depth)]["1"][WHOLE]["p50"]
        yield DeployedRow(ranker, depth, known, first, reads, reranking, parts[WHOLE], alone)


def _effectiveness(inputs: ReportInputs, name: str) -> float | None:
    """The mean of the primary measure: in search, or, for what re-ranks BM25's best, in re-ranking."""
    if (audited := inputs.audit.indexes.get(name)) is not None:
        return _of_index(inputs, audited)
    searches = name in (*first_stages(inputs.params), *inputs.params.systems)
    if not searches and inputs.params.candidates.first_stage() != BM25:
        return None
    task = inputs.primary.removesuffix(RERANK) + (RETRIEVE if searches else RERANK)
    return inputs.metrics.get(task, {}).get(name, {}).get(inputs.measure)


def _of_index(inputs: ReportInputs, audited: Audited) -> float | None:
    """An index's mean in the audit. None if the audit's queries are not those of the report: then the exact search of
    the same vectors has another mean there."""
    exact, known = inputs.audit.exact[audited.model].effectiveness, _effectiveness(inputs, audited.model)
    if known is None or not isclose(exact.get(inputs.measure, nan), known, abs_tol=_ROUNDED):
        return None
    return audited.effectiveness[inputs.measure]


def weights_told(inputs: ReportInputs) -> list[str]:
    """A sentence per weighted sum, whose members have different weights."""
    weighted = (name for name, system in inputs.params.systems.items() if isinstance(system, WeightedSum))
    return [_weights(inputs, name) for name in weighted]


def _weights(inputs: ReportInputs, name: str) -> str:
    used = json.loads(built(layout.weights_of(name)).read_text("utf-8"))
    told = f"{name} is {' + '.join(f'{weight:g} {member}' for member, weight in used['weights'].items())}"
    if not used["tuned"]:
        return f"{told}, as given."
    alone = ", ".join(f"{member} alone {score(value)}" for member, value in used["tuned"]["alone"].items())
    reached = f"{inputs.params.validation.measure} {score(used['tuned']['value'])}"
    return f"{told}, tuned on dev queries: {reached}; all alike {score(used['tuned']['alike'])}, {alone}."


def deployed_plot(rows: list[DeployedRow], measure: str) -> Markup:
    """A point per search at the depth where it is measured, over the median milliseconds end to end on a log axis."""
    known = {row.ranker.name: row for row in rows if row.effectiveness is not None}
    points: dict[str, Point] = {name: (row.whole["p50"], row.effectiveness or 0.0) for name, row in known.items()}
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.add_axes((0.05, 0.15, 0.93, 0.76))
    plain(axes)
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.15)
    for name, row in known.items():
        axes.plot(
            *([value] for value in points[name]), "^" if row.ranker.role == "system" else "o", markersize=9,
            markerfacecolor=colour_of(row.ranker), markeredgecolor=PAPER, zorder=3,
        )  # fmt: skip
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", length=0)
    axes.grid(axis="x", color=RULE, linewidth=0.75)
    axes.set_title(f"{measure} of searching", loc="left", fontsize=SMALL, color=MUTED, pad=8)
    label = "median milliseconds from text to ids (log scale)"
    axes.set_xlabel(label, fontsize=SMALL, color=MUTED, loc="right", labelpad=6)
    label_points(axes, points, [], {name: name for name in points})
    return as_svg(figure, f"{measure} of searching against milliseconds from text to ids")

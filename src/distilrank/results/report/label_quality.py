"""The labels that students learn from, as the stage `quality` measured them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from distilrank.config.labelling import scale_of_labels
from distilrank.config.params import Params
from distilrank.results.report.formats import score
from distilrank.results.report.histograms import Limits, axis, filled, frame
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.svg import INK, MUTED, as_svg, colour_of
from distilrank.sections.labels import ScaleRule


@dataclass(frozen=True)
class Row:
    """A teacher's labels of a set of triples, and their scale.

    `ranker` is None for an ensemble, an import or BM25. The pairs of numbers are mean and standard deviation.
    """

    name: str
    triples: str
    scale: ScaleRule
    ranker: ReportedRanker | None
    number: int
    negative_margins: float
    positive: tuple[float, float]
    negative: tuple[float, float]
    margin: tuple[float, float]
    drawn: Markup


@dataclass(frozen=True)
class LabelQuality:
    """A row per teacher and set of triples, all on one axis of margins.

    `agreement` says how far each two teachers agree. `weights` has a sentence per ensemble whose members have different
    weights.
    """

    rows: list[Row]
    margin_axis: Markup
    agreement: list[dict[str, Any]]
    weights: list[str]


def label_quality(inputs: ReportInputs) -> LabelQuality:
    teachers: dict[str, dict[str, Any]] = inputs.labels["teachers"]
    edges = [edge for figures in teachers.values() for edge in figures["histogram"]["edges"]]
    limits = (min(edges), max(edges))
    rankers = {ranker.name: ranker for ranker in inputs.rankers if ranker.role == "teacher"}
    rows = [_row(inputs.params, name, rankers, figures, limits) for name, figures in teachers.items()]
    weights = [_weights(inputs.params, name, one) for name, one in inputs.labels.get("weights", {}).items()]
    return LabelQuality(rows, axis("margins of labels", limits), inputs.labels["agreement"], weights)


def _weights(params: Params, name: str, used: dict[str, Any]) -> str:
    """A sentence on an ensemble's weights and, if they were tuned, on what they reach on dev queries."""
    triples, _, ensemble = name.partition("/")
    shares = " + ".join(f"{weight:g} {member}" for member, weight in used["weights"].items())
    told, tuned = f"{ensemble} on {triples} is {shares}", used["tuned"]
    if not tuned:
        return f"{told}, as given."
    alone = ", ".join(f"{member} alone {score(value)}" for member, value in tuned["alone"].items())
    reached = f"{params.validation.measure} {score(tuned['value'])}; all alike {score(tuned['alike'])}, {alone}"
    return f"{told}, tuned on dev queries: {reached}."


def _row(
    params: Params, name: str, rankers: Mapping[str, ReportedRanker], figures: dict[str, Any], limits: Limits
) -> Row:
    triples, _, teacher = name.partition("/")
    positive, negative, margin = (
        (figures[kind]["mean"], figures[kind]["deviation"]) for kind in ("positive", "negative", "margin")
    )
    ranker, inverted = rankers.get(teacher), figures["negative_margins"]
    drawn = _draw(teacher, ranker, figures["histogram"], limits)
    scale = scale_of_labels(params, teacher)
    return Row(teacher, triples, scale, ranker, figures["triples"], inverted, positive, negative, margin, drawn)


def _draw(name: str, ranker: ReportedRanker | None, histogram: dict[str, list[float]], limits: Limits) -> Markup:
    figure, axes = frame(limits)
    axes.axvline(0, color=MUTED, linewidth=0.8, dashes=(2, 2))
    counts, edges = np.array(histogram["counts"], np.float64), np.array(histogram["edges"])
    filled(axes, counts, edges, colour_of(ranker) if ranker else INK)
    return as_svg(figure, f"Margins of the labels of {name}")

"""Whether students' margins are as large as their teachers', as Margin-MSE asks, on passages not trained on."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from distilrank.results.report.histograms import Values
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.runs import KEY
from distilrank.results.report.svg import MUTED, PAPER, RULE, SMALL, as_svg, canvas, colour_of, plain
from distilrank.sections.labels import ScaleRule

WIDTH, HEIGHT = 290, 250
BINS = 12


@dataclass(frozen=True)
class Calibration:
    """A taught student's margins against its teacher's, in bins of equally many pairs, and the line through all pairs.

    slope: how much the student's margin grows when the teacher's grows by 1. Margin-MSE asks for 1 if the labels are
    the teacher's scores. The slope is the correlation times `spread`, the student's standard deviation divided by the
    teacher's.
    """

    ranker: ReportedRanker
    slope: float
    spread: float
    correlation: float
    pairs: int
    drawn: Markup


def calibrations(inputs: ReportInputs) -> list[Calibration]:
    """The calibration of each taught student whose teacher's scores are there.

    Its pairs are a relevant passage and another candidate.
    """
    taught = [ranker for ranker in inputs.rankers if ranker.role == "taught"]
    found = []
    for teacher in dict.fromkeys(ranker.teacher for ranker in taught):
        run = inputs.runs.of_teacher_drawn(teacher or "")
        if run is not None:
            pupils = (ranker for ranker in taught if ranker.teacher == teacher)
            found += [one for ranker in pupils if (one := _calibration(inputs, ranker, run))]
    return sorted(found, key=lambda one: one.ranker.number)


def margins_of_both(student: pl.DataFrame, teacher: pl.DataFrame) -> tuple[Values, Values]:
    """The margins of the teacher and the student, pair by pair, from runs (query_id, passage_id, score, relevant)."""
    both = student.select(*KEY, "score", "relevant").join(
        teacher.select(*KEY, theirs="score"), on=KEY, maintain_order="left"
    )
    scores = ("query_id", "score", "theirs")
    relevant, others = both.filter(pl.col("relevant")).select(scores), both.filter(~pl.col("relevant")).select(scores)
    pairs = relevant.join(others, on="query_id", maintain_order="left_right")
    mine = (pairs["score"] - pairs["score_right"]).to_numpy()
    return (pairs["theirs"] - pairs["theirs_right"]).to_numpy(), mine


def in_bins(teacher: Values, student: Values, bins: int = BINS) -> tuple[Values, Values]:
    """The mean margins of both in bins of equally many pairs, by the teacher's margin."""
    groups = [group for group in np.array_split(np.argsort(teacher, kind="stable"), bins) if len(group)]
    return np.array([teacher[group].mean() for group in groups]), np.array([student[group].mean() for group in groups])


def slope_of(teacher: Values, student: Values) -> float:
    """The slope of the least-squares line of the student's margins over the teacher's."""
    centred = teacher - teacher.mean()
    return float(centred @ student / (centred @ centred))


def _calibration(inputs: ReportInputs, ranker: ReportedRanker, teacher_run: pl.DataFrame) -> Calibration | None:
    """A student's calibration; None if all margins of a side are the same, because no line fits them."""
    teacher, student = margins_of_both(inputs.runs.of_drawn(ranker.name), teacher_run)
    if not len(teacher) or not np.ptp(teacher) or not np.ptp(student):
        return None
    correlation = float(np.corrcoef(teacher, student)[0, 1])
    drawn = _draw(ranker, *in_bins(teacher, student), inputs.params.labels.scale)
    spread = float(student.std() / teacher.std())
    return Calibration(ranker, slope_of(teacher, student), spread, correlation, len(teacher), drawn)


def _draw(ranker: ReportedRanker, teacher: Values, student: Values, scale: ScaleRule) -> Markup:
    """The figure. It has no line of equal margins if the labels were scaled, because then none are asked for."""
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.add_axes((0.12, 0.17, 0.84, 0.74))
    plain(axes)
    axes.axhline(0, color=RULE, linewidth=0.75)
    if scale == "none":
        ends = np.array([min(teacher.min(), student.min()), max(teacher.max(), student.max())])
        axes.plot(ends, ends, color=MUTED, linewidth=0.9, dashes=(2, 2))
        axes.annotate(
            "dotted: as its teacher", (0.99, 0.03), xycoords="axes fraction", ha="right", fontsize=SMALL, color=MUTED
        )
    colour = colour_of(ranker)
    axes.plot(teacher, student, "-o", color=colour, markeredgecolor=PAPER, markersize=6, linewidth=1.3)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_title("Mean margin", loc="left", fontsize=SMALL, color=MUTED, pad=7)
    axes.set_xlabel(f"margin of {ranker.teacher}", fontsize=SMALL, color=MUTED, labelpad=4)
    return as_svg(figure, f"Margins of {ranker.name} against those of {ranker.teacher}")

"""Effectiveness by the length of queries, and by how many passages are relevant to them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from markupsafe import Markup
from matplotlib.axes import Axes
from scipy.optimize import isotonic_regression

from distilrank.evaluation.significance import confidence_interval
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.svg import INK, MUTED, PAPER, SMALL, as_svg, canvas, colour_of, plain

WIDTH, HEIGHT = 440, 260
# The most bins by length, each of about as many queries.
LENGTHS = 4
# The lowest number of relevant passages of each bin.
COUNTS = (1, 2, 3, 6, 11, 51)


@dataclass(frozen=True)
class Mean:
    """A mean over a bin's queries, and its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Bin:
    """Similar queries, from `least` to `most` of what they are binned by."""

    least: int
    most: int
    queries: int

    @property
    def label(self) -> str:
        return str(self.least) if self.least == self.most else f"{self.least}\N{EN DASH}{self.most}"


@dataclass(frozen=True)
class Breakdown:
    """The mean of each ranker in each bin, as a figure and as numbers."""

    title: str
    bins: list[Bin]
    rows: list[tuple[ReportedRanker, list[Mean]]]
    drawn: Markup


def breakdowns(inputs: ReportInputs, rankers: Sequence[ReportedRanker]) -> list[Breakdown]:
    """The breakdowns of the primary measure on the primary task. There is none if all queries are alike."""
    judged = inputs.runs.relevant.group_by("query_id").agg(number=pl.len().cast(pl.Int64))
    words = pl.col("text").str.split(" ").list.eval(pl.element().filter(pl.element() != "")).list.len()
    lengths = inputs.collection.queries_of(inputs.primary_set).select("query_id", number=words.cast(pl.Int64))
    relevant = lengths.select("query_id").join(judged, on="query_id").sort("query_id")
    found = [
        _breakdown(inputs, rankers, "words in the query", lengths, even_edges(lengths["number"], LENGTHS)),
        _breakdown(inputs, rankers, "relevant passages", relevant, COUNTS),
    ]
    return [one for one in found if len(one.bins) > 1]


def even_edges(numbers: pl.Series, bins: int) -> list[int]:
    """The lower edges of at most `bins` bins, each of about as many numbers."""
    shares = np.arange(bins) / bins
    return sorted({int(edge) for edge in np.quantile(numbers.to_numpy(), shares, method="higher")})


def binned(numbers: pl.DataFrame, edges: Sequence[int]) -> list[tuple[Bin, pl.DataFrame]]:
    """The bins of queries (query_id, number), each from one edge to the next, without empty ones."""
    found = []
    for low, high in zip(edges, [*edges[1:], np.inf], strict=True):
        inside = numbers.filter(pl.col("number") >= low, pl.col("number") < high)
        if len(inside):
            least, most = inside.select(least=pl.col("number").min(), most=pl.col("number").max()).row(0)
            found.append((Bin(least, most, len(inside)), inside.select("query_id")))
    return found


def _breakdown(
    inputs: ReportInputs, rankers: Sequence[ReportedRanker], title: str, numbers: pl.DataFrame, edges: Sequence[int]
) -> Breakdown:
    bins = binned(numbers, edges)
    values = {ranker: inputs.values(ranker.name, inputs.measure) for ranker in rankers}
    rows = [
        (
            ranker,
            [
                _mean(table.join(queries, on="query_id", how="semi", maintain_order="left")["value"])
                for _, queries in bins
            ],
        )
        for ranker, table in values.items()
    ]
    return Breakdown(
        title, [one for one, _ in bins], rows, _draw(title, inputs.measure, [one for one, _ in bins], rows)
    )


def _mean(values: pl.Series) -> Mean:
    of_queries = values.to_numpy()
    return Mean(float(of_queries.mean()), *confidence_interval(of_queries, np.zeros_like(of_queries)))


def _draw(title: str, measure: str, bins: list[Bin], rows: list[tuple[ReportedRanker, list[Mean]]]) -> Markup:
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.add_axes((0.09, 0.2, 0.74, 0.7))
    plain(axes)
    ends = []
    for place, (ranker, means) in enumerate(rows):
        # Side by side, so that no interval hides another.
        x = np.arange(len(bins)) + 0.09 * (place - (len(rows) - 1) / 2)
        y, colour = [mean.value for mean in means], colour_of(ranker)
        axes.vlines(x, [mean.low for mean in means], [mean.high for mean in means], colour, linewidth=1.2, alpha=0.55)
        axes.plot(x, y, color=colour, linewidth=1.4)
        hollow = ranker.role == "control"
        face, edge = (PAPER, colour) if hollow else (colour, PAPER)
        axes.plot(x, y, "o", markersize=6, markerfacecolor=face, markeredgecolor=edge, markeredgewidth=1.4)
        ends.append((ranker.name, y[-1]))
    axes.set_xticks(range(len(bins)), [f"{one.label}\n{one.queries:,}" for one in bins])
    axes.set_xlim(-0.5, len(bins) - 0.6)
    axes.set_title(measure, loc="left", fontsize=SMALL, color=MUTED, pad=8)
    axes.set_xlabel(f"{title}, and the number of queries beneath", fontsize=SMALL, color=MUTED, labelpad=6)
    label_ends(axes, ends)
    return as_svg(figure, f"{measure} by {title}")


def label_ends(axes: Axes, ends: list[tuple[str, float]]) -> None:
    """Writes names to the right of the axes, as near to their lines' ends as possible without touching."""
    step = (SMALL + 2.5) / axes.bbox.height
    low, high = axes.get_ylim()
    ordered = sorted(ends, key=lambda end: end[1])
    steps = step * np.arange(len(ordered))
    wanted = np.array([(value - low) / (high - low) for _, value in ordered])
    heights = isotonic_regression(wanted - steps).x + steps
    for (name, _), height in zip(ordered, heights, strict=True):
        axes.annotate(
            name, (1, height), (6, 0), xycoords="axes fraction", textcoords="offset pixels", va="center",
            fontsize=SMALL, color=INK, annotation_clip=False,
        )  # fmt: skip

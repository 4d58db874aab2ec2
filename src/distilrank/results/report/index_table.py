"""Indexes beside the exact vectors that they are built of: how much of the best they find, and what they cost."""

from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from distilrank.results.index_audit import Audited, IndexAudit
from distilrank.results.report.svg import ACCENT, INK, MUTED, PAPER, RULE, SMALL, as_svg, canvas, plain

WIDTH, HEIGHT = 940, 300


@dataclass(frozen=True)
class IndexRow:
    """A way to search or to re-rank, by its name. A model's exact vectors come first. `floor` is for recall@10, if it
    has one."""

    name: str
    is_exact: bool
    floor: float | None
    audited: Audited


def index_rows(audit: IndexAudit, floors: dict[str, float], task: str) -> list[IndexRow]:
    """The rows of a task, searching or re-ranking: each model by its exact vectors, then its indexes."""
    rows = []
    for model, exact in audit.exact.items():
        if exact.task != task:
            continue
        rows.append(IndexRow(model, True, None, exact))
        own = ((name, one) for name, one in audit.indexes.items() if one.model == model)
        rows += [IndexRow(name, False, floors.get(one.entry), one) for name, one in own]
    return rows


def index_plot(rows: list[IndexRow]) -> Markup:
    """A point per way to search: recall@10 over the median milliseconds of a search, on a log axis."""
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.add_axes((0.05, 0.18, 0.93, 0.7))
    plain(axes)
    axes.set_xscale("log")
    for row in rows:
        point = (row.audited.milliseconds["p50"], row.audited.recall.get("10", 1.0))
        axes.plot(
            *([value] for value in point), "s" if row.is_exact else "o", markersize=8,
            markerfacecolor=INK if row.is_exact else ACCENT, markeredgecolor=PAPER, zorder=3,
        )  # fmt: skip
        axes.annotate(row.name, point, (8, -13), textcoords="offset pixels", fontsize=SMALL, color=INK)
    axes.margins(x=0.15, y=0.25)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color=RULE, linewidth=0.75)
    axes.tick_params(which="minor", length=0)
    axes.set_title("recall@10 of exact search", loc="left", fontsize=SMALL, color=MUTED, pad=8)
    axes.set_xlabel("median milliseconds a search (log scale)", fontsize=SMALL, color=MUTED, loc="right", labelpad=6)
    return as_svg(figure, "Recall of indexes against median milliseconds a search")

"""report: a page with the results, curves, scores, times and examples; a short version; and its figures as files."""

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import write_json, write_text
from distilrank.config.params import Params
from distilrank.results.report import ReportInputs, write_report
from distilrank.results.report.dvc_metrics import rows_of
from distilrank.results.report.figures import as_png, figures_of
from distilrank.results.report.plots import plots_of
from distilrank.results.report.summary import write_summary

MADE_BY = "distilrank report"


def report(params: Params) -> None:
    inputs = ReportInputs.read(params)
    page = write_report(inputs)
    with whole_directory(layout.FIGURES, MADE_BY, {}, []) as draft:
        for name, svg in figures_of(page, inputs).items():
            write_text(draft.path / f"{name}.svg", svg)
            (draft.path / f"{name}.png").write_bytes(as_png(svg))
    with whole_directory(layout.PLOTS, MADE_BY, {}, []) as draft:
        for name, points in plots_of(inputs).items():
            write_json(draft.path / f"{name}.json", points)
    with whole_directory(layout.SHOWN_METRICS, MADE_BY, {}, []) as draft:
        for place, figures in rows_of(inputs).items():
            row = draft.path / "rankers" / place
            row.parent.mkdir(parents=True, exist_ok=True)
            write_json(row, figures)
    write_text(layout.SUMMARY, write_summary(inputs, page))
    write_text(layout.REPORT, page)

"""report: one HTML file with the results, the curves, the scores, the times and examples."""

from distilrank.artifacts import layout
from distilrank.artifacts.files import write_text
from distilrank.config.params import Params
from distilrank.results.report import ReportInputs, write_report


def report(params: Params) -> None:
    write_text(layout.REPORT, write_report(ReportInputs.read(params)))

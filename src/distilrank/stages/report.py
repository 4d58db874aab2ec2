"""report: one HTML file with the results, the curves, the scores, the times and examples."""

from distilrank import layout
from distilrank.artifacts import write_text
from distilrank.evaluation.report import ReportInputs, write_report
from distilrank.params import Params


def report(params: Params) -> None:
    write_text(layout.REPORT, write_report(ReportInputs.read(params)))

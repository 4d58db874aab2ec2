"""The report: one HTML file with the results, the plots and the configuration, which fetches nothing.

It also comes in brief as Markdown and LaTeX, and its figures as files.
"""

from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.page import write_report

__all__ = ["ReportInputs", "write_report"]

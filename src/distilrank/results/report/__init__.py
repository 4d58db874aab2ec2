"""The report: one HTML file that holds the results, the plots and the configuration, and fetches nothing; in brief as
Markdown and as LaTeX; its figures as files.
"""

from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.page import write_report

__all__ = ["ReportInputs", "write_report"]

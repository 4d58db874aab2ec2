"""What teaching gained or cost each student: its difference from its control."""

from distilrank.results.report.inputs import ReportInputs
from distilrank.results.statistics import SIGNIFICANT
from distilrank.results.statistics import Difference as Gain

__all__ = ["SIGNIFICANT", "Gain", "Gains", "gains_in"]

# By ranker and measure.
Gains = dict[tuple[str, str], Gain]


def gains_in(inputs: ReportInputs, task: str) -> Gains:
    """The comparisons of a task's tables: each taught student with its control, where both were measured."""
    tests = (one for one in inputs.tests if one.task == task and one.role == "control")
    return {(one.ranker, one.measure): one.difference for one in tests}

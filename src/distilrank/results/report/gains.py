"""What teaching gained or cost each student: its difference from its control."""

from distilrank.results.differences import Difference
from distilrank.results.report.inputs import ReportInputs

# By ranker and measure.
Gains = dict[tuple[str, str], Difference]


def gains_in(inputs: ReportInputs, task: str) -> Gains:
    """The comparisons of a task's tables: each taught student with its control, where both were measured."""
    tests = (one for one in inputs.tests if one.task == task and one.role == "control")
    return {(one.ranker, one.measure): one.difference for one in tests}

"""What teaching gained or cost each student: its difference from its control."""

from distilrank.results.differences import Difference
from distilrank.results.report.inputs import ReportInputs

# The differences by ranker and measure.
Gains = dict[tuple[str, str], Difference]


def gains_in(inputs: ReportInputs, task: str) -> Gains:
    """The gains of a task: each taught student compared with its control, if both were measured."""
    tests = (one for one in inputs.tests if one.task == task and one.role == "control")
    return {(one.ranker, one.measure): one.difference for one in tests}

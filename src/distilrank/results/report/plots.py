"""The files that `dvc plots` draws and dvc.yaml names, each with a list of points."""

from typing import Any

from distilrank.results.report.inputs import ReportInputs

Points = list[dict[str, Any]]


def plots_of(inputs: ReportInputs) -> dict[str, Points]:
    """The points by name: each model's loss and validation by step, and each ranker's primary measure by task."""
    histories = inputs.histories.items()
    return {
        "loss": [
            {"ranker": name, "step": step, "loss": value} for name, history in histories for step, value in history.loss
        ],
        "validation": [
            {"ranker": name, "step": step, "value": value}
            for name, history in histories
            for step, value in history.selection
        ],
        "results": [
            {"ranker": ranker, "task": task, "value": values[inputs.measure]}
            for task, by_ranker in inputs.metrics.items()
            for ranker, values in by_ranker.items()
        ],
    }

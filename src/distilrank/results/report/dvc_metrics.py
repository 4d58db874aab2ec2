"""The files that `dvc metrics` shows: each is a row of its table, with a column per figure."""

from pathlib import Path

from distilrank.results.report.inputs import ReportInputs

_DIGITS = 4


def rows_of(inputs: ReportInputs) -> dict[Path, dict[str, float]]:
    """The means of each ranker and, if it was timed, its median milliseconds, by place: <task>/<ranker>.json."""
    rows: dict[Path, dict[str, float]] = {}
    for task, means in inputs.metrics.items():
        times = inputs.latency.served(inputs.params, task)
        for ranker, figures in means.items():
            took = {"ms": round(times[ranker], 1)} if ranker in times else {}
            rounded = {measure: round(mean, _DIGITS) for measure, mean in figures.items()}
            rows[Path(task) / f"{ranker}.json"] = rounded | took
    return rows

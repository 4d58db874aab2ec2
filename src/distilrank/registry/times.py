"""The tags of a version for the times that `latency` measured of its model and index, and for the machine."""

from pathlib import Path

from distilrank.artifacts import layout
from distilrank.artifacts.manifest import digest
from distilrank.config.derived import encoded_models, model_names
from distilrank.config.params import Params
from distilrank.errors import MissingInput
from distilrank.results.measured_times import MeasuredTimes

PREFIX = "milliseconds"
MACHINE_TAG = f"{PREFIX}/machine"


def tags_of_times(params: Params) -> dict[str, dict[str, str]]:
    """Median times as tags by model, such as {"milliseconds/rerank/single": "61.2"}. Raises MissingInput."""
    latency = MeasuredTimes.read()
    for model in model_names(params):
        _check(latency, layout.MODELS / model)
    for model in encoded_models(params):
        _check(latency, layout.VECTORS / model)
    return {model: _tags(latency, model) for model in model_names(params)}


def _check(latency: MeasuredTimes, place: Path) -> None:
    if latency.measured.get(str(place)) != digest(place):
        raise MissingInput(
            layout.LATENCY,
            got=f"no times of the present {place}",
            expected="its times",
            remedy="build it with `dvc repro`",
        )


def _tags(latency: MeasuredTimes, model: str) -> dict[str, str]:
    medians = {
        f"{PREFIX}/{task}/{how}": str(times["median"])
        for task, rankers in latency.milliseconds.items()
        for how, times in rankers.get(model, {}).items()
    }
    return {**medians, MACHINE_TAG: latency.machine}

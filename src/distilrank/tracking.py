"""MLflow remembers each training: params, curves, test metrics, data sets, git commit, and the model; and each report.

MLflow takes seconds to import and its server may be down, so everything of it happens in a background thread, and
what fails there is one warning.
"""

import json
import logging
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

from distilrank.artifacts import layout
from distilrank.artifacts.dvc_files import LOCK
from distilrank.artifacts.files import sha256_of, write_text
from distilrank.artifacts.manifest import digest, read_manifest
from distilrank.mlflow_client import connect, tracking_uri
from distilrank.redaction import redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

Status = Literal["FINISHED", "FAILED", "KILLED"]
MODEL_TAG = "distilrank.model"

# How long a command waits, at its end, for what MLflow has not taken in yet; a model of 90 MB takes seconds.
_SECONDS_AT_THE_END = 120.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Point:
    """Values of some metrics at a training step."""

    step: int
    milliseconds: int
    values: dict[str, float]


class StageRun:
    """What a training or a scoring tells MLflow: `log` and `finish` return at once, and nothing raises."""

    def __init__(self, name: str, params: Mapping[str, Any], work: Path, collection: str) -> None:
        self._events: SimpleQueue[Point | Path | Status] = SimpleQueue()
        record = partial(_record_stage, name, params, work, collection, self._events)
        self._recording = _Background(record, f"the run of {name}")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """A point of each curve, e.g. {"loss": 0.3}, at a training step, or at a number of pairs scored."""
        self._events.put(Point(step, _milliseconds(), dict(metrics)))

    def finish(self, directory: Path) -> None:
        """The trained model, a whole directory with its manifest."""
        self._events.put(directory)

    def end(self, status: Status) -> None:
        """Ends the run and waits, for a bounded time, until MLflow has all of it."""
        self._events.put(status)
        self._recording.wait()


@contextmanager
def stage_run(name: str, params: Mapping[str, Any], work: Path, collection: str = "collection") -> Iterator[StageRun]:
    """An MLflow run named `name`, for as long as the block lasts; its data sets are of `collection`.

    `work`, the stage's work directory, remembers the run: one that was killed goes on with it.
    """
    run = StageRun(name, params, work, collection)
    try:
        yield run
    except BaseException as error:
        run.end("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    run.end("FINISHED")


def log_test_metrics(models: Mapping[str, Path], metrics: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Adds test metrics, {"rerank": {"T1": {"nDCG@10": .7}}}, to the runs that trained `models`; never raises.

    A model without a run, such as one that came from DVC's remote, is passed over with a warning.
    """
    _Background(partial(_record_test_metrics, models, metrics), "the test metrics").wait()


def log_report(collections: Mapping[str, str]) -> None:
    """A run of the report here, with its figures and what `compare` reads; never raises.

    `collections` are those that were measured on: what each is called, and how `places_of` knows it.
    """
    _Background(partial(_record_report, collections), "the report").wait()


def find_run(client: "MlflowClient", experiment_id: str, directory: Path) -> "Run | None":
    """The last run that logged the model in `directory`; its `outputs.model_outputs[0].model_id` is the model."""
    runs = client.search_runs(
        [experiment_id], f"tags.`{MODEL_TAG}` = '{digest(directory)}'", order_by=["start_time DESC"], max_results=1
    )
    return runs[0] if runs else None


def metric_key(name: str) -> str:
    """`name` in the characters that MLflow allows: nDCG@10 becomes nDCG_at_10, as MLflow's own metrics have it."""
    return re.sub(r"[^A-Za-z0-9/. -]+", "_", name.replace("@", "_at_"))


def model_tags(directory: Path) -> dict[str, str]:
    """What tells a run's model, and from what it was made. Raises MissingInput."""
    manifest = read_manifest(directory)
    return {
        MODEL_TAG: digest(directory),
        "distilrank.made_by": manifest.made_by,
        **{f"digest.{source}": value for source, value in manifest.inputs.items()},
        **{f"count.{what}": str(count) for what, count in manifest.counts.items()},
    }


def origin() -> dict[str, str]:
    """The working tree's commit, whether it was changed since, the digest of dvc.lock, and the flow run's page."""
    tags = {}
    if commit := _git("rev-parse", "HEAD"):
        tags["mlflow.source.git.commit"] = commit
        # dvc.lock changes with every stage, and has a tag of its own.
        tags["git.dirty"] = str(bool(_git("status", "--porcelain", "--", ".", f":!{LOCK}"))).lower()
    if page := os.environ.get("DISTILRANK_FLOW_RUN"):
        tags["prefect.flow_run"] = redacted(page)
    if LOCK.is_file():
        tags["dvc.lock"] = sha256_of(LOCK)
    return tags


class _Background:
    """Work with MLflow in a thread of its own: its failure is one warning, and the wait for it is bounded."""

    def __init__(self, work: Callable[[], None], what: str) -> None:
        self._work, self._what = work, what
        # A daemon: a tracker that hangs does not keep the process from ending.
        self._thread = Thread(target=self._run, name="mlflow", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        self._thread.join(_SECONDS_AT_THE_END)
        if self._thread.is_alive():
            self._warn(f"no answer within {_SECONDS_AT_THE_END:.0f} seconds")

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self._warn(f"{type(error).__name__}: {error}")

    def _warn(self, reason: str) -> None:
        line = redacted(" ".join(reason.split()))[:160]
        message = (
            f"MLflow at {tracking_uri()} has not recorded all of {self._what} ({line}); all else goes on. "
            "Check that it runs, or unset MLFLOW_TRACKING_URI to record in mlflow.db"
        )
        _log.warning(redacted(message))


def _record_stage(
    name: str, params: Mapping[str, Any], work: Path, collection: str, events: "SimpleQueue[Point | Path | Status]"
) -> None:
    client, experiment_id = connect(in_background=True)
    run = _begin_run(client, experiment_id, name, work)
    _log_params(client, run, params)
    logged = _logged_steps(client, run)
    while True:
        waiting = [events.get()]
        while not events.empty():
            waiting.append(events.get())
        _log_points(client, run, [event for event in waiting if isinstance(event, Point)], logged)
        for event in waiting:
            if isinstance(event, Path):
                _log_model(client, run, name, event)
                _log_data_sets(client, run, _learned_from(collection, read_manifest(event).inputs), "training")
            elif isinstance(event, str):
                return client.set_terminated(run.info.run_id, event)


def _begin_run(client: "MlflowClient", experiment_id: str, name: str, work: Path) -> "Run":
    remembered = work / "mlflow_run_id"
    if remembered.is_file() and (run := _existing_run(client, remembered.read_text("utf-8"))):
        client.update_run(run.info.run_id, "RUNNING")
        return run
    run = client.create_run(experiment_id, run_name=name, tags=origin())
    write_text(remembered, run.info.run_id)
    return run


def _existing_run(client: "MlflowClient", run_id: str) -> "Run | None":
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None  # begun with another tracker
        raise


def _log_params(client: "MlflowClient", run: "Run", params: Mapping[str, Any]) -> None:
    from mlflow.entities import Param
    from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, MAX_PARAMS_TAGS_PER_BATCH

    entries = [Param(key, redacted(str(value))[:MAX_PARAM_VAL_LENGTH]) for key, value in _flat(params)]
    for start in range(0, len(entries), MAX_PARAMS_TAGS_PER_BATCH):
        client.log_batch(run.info.run_id, params=entries[start : start + MAX_PARAMS_TAGS_PER_BATCH])


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _logged_steps(client: "MlflowClient", run: "Run") -> dict[str, int]:
    """The last step of each curve so far: a training that goes on from a checkpoint repeats the steps after it."""
    histories = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    return {key: max(metric.step for metric in history) for key, history in histories.items()}


def _log_points(client: "MlflowClient", run: "Run", points: Sequence[Point], logged: Mapping[str, int]) -> None:
    from mlflow.entities import Metric

    metrics = [
        Metric(key, float(value), point.milliseconds, point.step)
        for point in points
        for key, value in ((metric_key(name), value) for name, value in point.values.items())
        if point.step > logged.get(key, -1)
    ]
    _log_metrics(client, run, metrics)


def _log_metrics(client: "MlflowClient", run: "Run", metrics: Sequence["Metric"]) -> None:
    from mlflow.utils.validation import MAX_METRICS_PER_BATCH

    for start in range(0, len(metrics), MAX_METRICS_PER_BATCH):
        client.log_batch(run.info.run_id, metrics=metrics[start : start + MAX_METRICS_PER_BATCH])


def _log_model(client: "MlflowClient", run: "Run", name: str, directory: Path) -> None:
    from mlflow.entities import RunTag

    from distilrank.serving.logged_model import log_ranker

    tags = model_tags(directory)
    client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    log_ranker(client, run, name, directory, None, tags)


@dataclass(frozen=True)
class _DataSet:
    name: str
    place: Path
    digest: str


def _learned_from(collection: str, inputs: Mapping[str, str]) -> list[_DataSet]:
    """The collection and its triples and labels among `inputs`, which have digests."""
    places = (layout.COLLECTION, layout.TRIPLES, layout.LABELS)
    found = {Path(source): one for source, one in inputs.items() if any(map(Path(source).is_relative_to, places))}
    return [
        _DataSet(collection if place == layout.COLLECTION else f"{collection}/{place}", place, sha256)
        for place, sha256 in found.items()
    ]


def _measured_on(collections: Mapping[str, str]) -> list[_DataSet]:
    places = {name: layout.places_of(evaluation).collection for name, evaluation in collections.items()}
    return [_DataSet(name, place, digest(place)) for name, place in places.items()]


def _log_data_sets(client: "MlflowClient", run: "Run", data_sets: Sequence[_DataSet], context: str) -> None:
    """With what their manifests count."""
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.validation import MAX_DATASET_DIGEST_SIZE

    entries = [
        DatasetInput(
            Dataset(
                one.name,
                one.digest[:MAX_DATASET_DIGEST_SIZE],
                "local",
                json.dumps({"uri": str(one.place)}),
                profile=json.dumps(read_manifest(one.place).counts),
            ),
            [InputTag("mlflow.data.context", context)],
        )
        for one in data_sets
    ]
    client.log_inputs(run.info.run_id, entries)


def _record_report(collections: Mapping[str, str]) -> None:
    client, experiment_id = connect(in_background=True)
    run = client.create_run(experiment_id, run_name="report", tags=origin())
    try:
        for file in (layout.REPORT, layout.SUMMARY, layout.MEASURES):
            client.log_artifact(run.info.run_id, str(file))
        client.log_artifacts(run.info.run_id, str(layout.FIGURES), layout.FIGURES.name)
        _log_data_sets(client, run, _measured_on(collections), "evaluation")
    except Exception:  # whatever it was: a run that is not ended looks as if it went on
        client.set_terminated(run.info.run_id, "FAILED")
        raise
    client.set_terminated(run.info.run_id)


def _record_test_metrics(models: Mapping[str, Path], metrics: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    from mlflow.entities import Metric

    client, experiment_id = connect(in_background=True)
    now = _milliseconds()
    for name, directory in models.items():
        measured = [
            Metric(f"{task}/{metric_key(metric)}", float(value), now, 0)
            for task, values in metrics.items()
            for metric, value in values.get(name, {}).items()
        ]
        if run := find_run(client, experiment_id, directory):
            _log_metrics(client, run, measured)
        else:
            _log.warning("MLflow has no run of %s, which was trained elsewhere: its test metrics go unlogged", name)


def _git(*arguments: str) -> str:
    """What git says, or nothing where there is no git or no repository."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000

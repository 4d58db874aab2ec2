"""Registers what DVC built: each teacher and student a version, once, by the digests that DVC has of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from distilrank import layout
from distilrank.artifacts import built, read_json
from distilrank.errors import MissingInput, Unreachable
from distilrank.mlflow_client import alone_in, connect, tracking_uri
from distilrank.params import Params
from distilrank.registry.built_by_dvc import BuiltByDvc
from distilrank.registry.names import Alias, Tag, registered_name, version_with
from distilrank.registry.times import refresh_times, tags_of_times
from distilrank.tracking import find_run, metric_key, model_tags, origin

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

MEASURES = "measures.parquet"


@dataclass(frozen=True)
class Registered:
    """A model's version that stands for what is built here, and where its run is to be seen."""

    name: str
    version: int
    is_new: bool
    run: str


@dataclass(frozen=True)
class Evaluated:
    """What evaluate and latency found: the digest of what was asked, and a model's figures."""

    asked: str
    metrics: Mapping[str, Mapping[str, Mapping[str, float]]]
    times: Mapping[str, Mapping[str, str]]
    measures: pl.DataFrame

    @classmethod
    def read(cls, params: Params, dvc: BuiltByDvc) -> "Evaluated":
        """Raises MissingInput."""
        identity = [
            dvc.digest(layout.COLLECTION),
            dvc.digest(layout.CANDIDATES),
            params.evaluation.model_dump_json(exclude={"untrained"}),
        ]
        return cls(
            sha256("\n".join(identity).encode()).hexdigest(),
            read_json(built(layout.METRICS)),
            tags_of_times(params),
            pl.read_parquet(built(layout.RUNS / MEASURES)),
        )

    def tags_of(self, model: str) -> dict[str, str]:
        measured = {
            f"{task}/{metric_key(measure)}": str(value)
            for task, rankers in self.metrics.items()
            for measure, value in rankers.get(model, {}).items()
        }
        return {Tag.EVALUATION: self.asked, **measured}


def register(params: Params) -> list[Registered]:
    """Every teacher and student as a version, the challenger unless it is the champion.

    A version is not made anew for the same model and index, only told of a new evaluation. Raises MissingInput.
    """
    dvc = BuiltByDvc()
    for name in params.model_names():
        dvc.digest(layout.MODELS / name)
    evaluated = Evaluated.read(params, dvc)
    with alone_with_registry():
        client, experiment_id = connect()
        return [_register(client, experiment_id, params, dvc, evaluated, model) for model in params.model_names()]


@contextmanager
def alone_with_registry() -> Iterator[None]:
    """Waits for others on this machine who change the same registry."""
    from mlflow.exceptions import MlflowException

    from distilrank.data.downloads import cache

    place = cache().parent / "registries" / sha256(tracking_uri().encode()).hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)
    with alone_in(place):
        try:
            yield
        except MlflowException as error:
            if "API request to" not in str(error):
                raise
            raise Unreachable(
                tracking_uri(), got="no answer from MLflow", expected="its server", remedy="see that it runs"
            ) from error


def run_address(client: "MlflowClient", run_id: str) -> str:
    """Where a run is to be seen: its page, or without a server the file that has it."""
    uri = tracking_uri()
    if not uri.startswith("http"):
        return uri
    return f"{uri.rstrip('/')}/#/experiments/{client.get_run(run_id).info.experiment_id}/runs/{run_id}"


def measures_of(client: "MlflowClient", version: "ModelVersion", asked: str) -> pl.DataFrame | None:
    """The version's measures query by query in an evaluation, if it was part of it."""
    run_id, place = version.run_id or "", f"evaluation/{asked}"
    if not client.list_artifacts(run_id, place):
        return None
    with TemporaryDirectory() as folder:
        return pl.read_parquet(client.download_artifacts(run_id, f"{place}/{MEASURES}", folder))


def _register(
    client: "MlflowClient", experiment_id: str, params: Params, dvc: BuiltByDvc, evaluated: Evaluated, model: str
) -> Registered:
    name = registered_name(params, model)
    index = layout.INDEXES / model if model in params.index_names() else None
    identity = {Tag.MODEL: dvc.digest(layout.MODELS / model)} | ({Tag.INDEX: dvc.digest(index)} if index else {})
    version = _version_of(client, name, identity)
    is_new = version is None
    if version is None:
        data = {Tag.COLLECTION: dvc.digest(layout.COLLECTION), Tag.TRIPLES: dvc.digest(layout.TRIPLES)}
        version = _make_version(client, experiment_id, name, model, index, {**identity, **data})
    refresh_times(client, version, evaluated.times[model])
    _tell(client, version, evaluated, model)
    champion = version_with(client, name, Alias.CHAMPION)
    if champion is None or champion.version != version.version:
        client.set_registered_model_alias(name, Alias.CHALLENGER, str(version.version))
    return Registered(name, int(version.version), is_new, run_address(client, version.run_id or ""))


def _version_of(client: "MlflowClient", name: str, identity: Mapping[Tag, str]) -> "ModelVersion | None":
    versions = client.search_model_versions(f"name = '{name}'")
    # Those of before brought no code of their own.
    whole = [version for version in versions if Tag.CODE in version.tags]
    same = [version for version in whole if all(version.tags.get(tag) == digest for tag, digest in identity.items())]
    return max(same, key=lambda version: int(version.version), default=None)


def _make_version(
    client: "MlflowClient", experiment_id: str, name: str, model: str, index: Path | None, tags: Mapping[Tag, str]
) -> "ModelVersion":
    directory = layout.MODELS / model
    run = find_run(client, experiment_id, directory) or _run_for(client, experiment_id, directory)
    model_id = _logged_model(client, run, directory, index)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    code = client.get_logged_model(model_id).tags[Tag.CODE]
    made = {Tag.COMMIT: run.data.tags.get("mlflow.source.git.commit", "unknown"), Tag.CODE: code}
    every = {str(tag): value for tag, value in {**tags, **made}.items()}
    return client.create_model_version(name, f"models:/{model_id}", run.info.run_id, every, model_id=model_id)


def _run_for(client: "MlflowClient", experiment_id: str, directory: Path) -> "Run":
    """A run for a model that was trained elsewhere, such as one that came from DVC's remote."""
    tags = {**origin(), **model_tags(directory)}
    run = client.create_run(experiment_id, run_name=directory.name, tags=tags)
    client.set_terminated(run.info.run_id)
    return client.get_run(run.info.run_id)


def _logged_model(client: "MlflowClient", run: "Run", directory: Path, index: Path | None) -> str:
    """The model that the training logged; one with an index is logged here, since a training has none yet."""
    from distilrank.serving.logged_model import log_ranker

    logged = [output.model_id for output in run.outputs.model_outputs] if run.outputs else []
    if logged and not index and Tag.CODE in client.get_logged_model(logged[0]).tags:
        return str(logged[0])
    return log_ranker(client, run, directory.name, directory, index, model_tags(directory))


def _tell(client: "MlflowClient", version: "ModelVersion", evaluated: Evaluated, model: str) -> None:
    """Adds an evaluation's figures to a version, if it does not have them."""
    if version.tags.get(Tag.EVALUATION) == evaluated.asked:
        return
    rows = evaluated.measures.filter(pl.col("ranker") == model)
    if rows.is_empty():
        raise MissingInput(
            layout.RUNS, got=f"no measures of {model}", expected="those of every model", remedy="run `dvc repro`"
        )
    with TemporaryDirectory() as folder:
        file = Path(folder) / MEASURES
        rows.write_parquet(file)
        client.log_artifact(version.run_id or "", str(file), f"evaluation/{evaluated.asked}")
    # The evaluation's own tag comes last: what was cut short is told again.
    tags = evaluated.tags_of(model)
    for key in sorted(tags, key=lambda key: key == Tag.EVALUATION):
        client.set_model_version_tag(version.name, version.version, key, tags[key])

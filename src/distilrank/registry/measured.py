"""The measures query by query that MLflow keeps of a registered version or of a run."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from distilrank.artifacts import layout
from distilrank.errors import InputError, MissingInput
from distilrank.mlflow_client import connect, faults_told
from distilrank.registry.names import Tag, version_numbered, version_with
from distilrank.registry.records import MEASURES, PLACE, measures_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

VERSION = re.compile(r"models:/(?P<name>[^/@]+)(/(?P<number>\d+)|@(?P<alias>[\w-]+))")
RUN = re.compile("[0-9a-f]{32}")


def measures_of_version(uri: str) -> pl.DataFrame:
    """The measures of models:/NAME/VERSION or models:/NAME@ALIAS in its last evaluation, with the model as ranker.

    Raises InputError if there is no such version, MissingInput if it was never measured, Unreachable, and
    RefusedCredentials.
    """
    with faults_told():
        client, _ = connect()
        version = _version(client, uri)
        asked = version.tags.get(Tag.EVALUATION)
        measures = measures_of(client, version, asked) if asked else None
    if measures is None:
        raise _not_measured(uri)
    return _of(version.name, measures)


def measures_of_run(run_id: str) -> pl.DataFrame:
    """The measures in the run of a report, or of one version.

    Raises InputError if there is no such run or it holds those of several versions, MissingInput if it holds none.
    """
    with faults_told():
        client, _ = connect()
        _refuse_absent_run(client, run_id)
        with TemporaryDirectory() as folder:
            if any(file.path == layout.MEASURES.name for file in client.list_artifacts(run_id)):
                return pl.read_parquet(client.download_artifacts(run_id, layout.MEASURES.name, folder))
            kept = [
                version.path
                for evaluation in client.list_artifacts(run_id, PLACE)
                for version in client.list_artifacts(run_id, evaluation.path)
            ]
            if not kept:
                raise _not_measured(f"run {run_id}")
            if len(kept) > 1:
                names = sorted({"/".join(Path(place).name.rsplit("-", 1)) for place in kept})
                raise InputError(
                    f"run {run_id}",
                    got=f"{len(kept)} evaluations of {', '.join(names)}",
                    expected="one evaluation",
                    remedy=f"name a version, such as models:/{names[-1]}",
                )
            name, _ = Path(kept[0]).name.rsplit("-", 1)
            return _of(name, pl.read_parquet(client.download_artifacts(run_id, f"{kept[0]}/{MEASURES}", folder)))


def _version(client: "MlflowClient", uri: str) -> "ModelVersion":
    found = VERSION.fullmatch(uri)
    if found is None:
        raise InputError(
            "compare",
            got=f"'{uri}'",
            expected="models:/NAME/VERSION or models:/NAME@ALIAS",
            remedy="look it up in MLflow",
        )
    if number := found["number"]:
        return version_numbered(client, found["name"], int(number))
    version = version_with(client, found["name"], found["alias"])
    if version is None:
        raise InputError(uri, got="no such alias", expected="one that a version has", remedy="look it up in MLflow")
    return version


def _refuse_absent_run(client: "MlflowClient", run_id: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise InputError(
            "compare", got=f"no run {run_id}", expected="a run of MLflow", remedy="look it up in MLflow"
        ) from error


def _of(registered_name: str, measures: pl.DataFrame) -> pl.DataFrame:
    """The measures with a column for the ranker: the model's name, which ends the registered name."""
    return measures.select(pl.lit(registered_name.rpartition(".")[2]).alias("ranker"), pl.all())


def _not_measured(what: str) -> MissingInput:
    return MissingInput(
        what,
        got="no measures",
        expected="those of an evaluation that includes it",
        remedy="run `dvc repro`, then `distilrank register`, which keeps them",
    )

"""Downloads a version of MLflow's registry."""

from pathlib import Path
from typing import TYPE_CHECKING

from distilrank.errors import CheckpointError
from distilrank.mlflow_client import connect, faults_told
from distilrank.registry.names import version_numbered
from distilrank.registry.packaged import downloaded, holds_no_pickle, is_whole, parts

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


def fetched(uri: str, folder: Path) -> Path:
    """The ranker of models:/NAME/VERSION, downloaded below `folder`.

    Raises InputError if there is no such version, CheckpointError if its files are not those that were registered,
    Unreachable, and RefusedCredentials.
    """
    with faults_told():
        client, _ = connect()
        version = _version(client, uri)
        files = downloaded(client, version, folder)
    for gate in (holds_no_pickle(files), is_whole(files, version.tags)):
        if not gate.passed:
            raise CheckpointError(
                uri, got=gate.why, expected="a version that `distilrank register` made", remedy="name another version"
            )
    return parts(files)["ranker"]


def refuse_absent_version(uri: str) -> None:
    """Raises InputError if there is no such version, Unreachable, and RefusedCredentials."""
    with faults_told():
        _version(connect()[0], uri)


def _version(client: "MlflowClient", uri: str) -> "ModelVersion":
    name, number = uri.removeprefix("models:/").rsplit("/", 1)
    return version_numbered(client, name, int(number))

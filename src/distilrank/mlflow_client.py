"""The way to MLflow: MLFLOW_TRACKING_URI, else a sqlite file here, which is made safely."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from distilrank.locks import alone_in

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Set unless the user set them: a dead server is given up within half a minute, and MLflow keeps quiet.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "DO_NOT_TRACK": "true",
}


def connect() -> tuple["MlflowClient", str]:
    """A client of MLFLOW_TRACKING_URI, else of mlflow.db here, and the experiment's id.

    The experiment is MLFLOW_EXPERIMENT_NAME, else "distilrank"; it is made if need be.
    """
    for variable, value in _DEFAULTS.items():
        os.environ.setdefault(variable, value)
    from mlflow import MlflowClient

    # Its retries would be told on standard error, one line each.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    uri = tracking_uri()
    if uri.startswith("sqlite:"):
        _lay_out(Path(urlsplit(uri).path[1:]))
    client = MlflowClient(tracking_uri=uri)
    return client, _experiment_id(client, os.environ.get("MLFLOW_EXPERIMENT_NAME") or "distilrank")


def tracking_uri() -> str:
    """Where MLflow records."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('mlflow.db').absolute()}"


def _experiment_id(client: "MlflowClient", name: str) -> str:
    from mlflow.exceptions import MlflowException

    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException as error:
        if error.error_code == "RESOURCE_ALREADY_EXISTS":
            return _experiment_id(client, name)  # another training was first
        raise


def _lay_out(file: Path) -> None:
    """Makes a new sqlite file, whole or not at all, by one process alone.

    MLflow does neither: two of them at once stumble over each other's tables, and a kill leaves a file that is broken
    for good.
    """
    from mlflow import MlflowClient

    with alone_in(file.parent):
        if not file.exists():
            partial_file = file.with_name(f".{file.name}.partial")
            for remains in file.parent.glob(f"{partial_file.name}*"):
                remains.unlink()
            MlflowClient(tracking_uri=f"sqlite:///{partial_file.absolute()}")
            partial_file.rename(file)

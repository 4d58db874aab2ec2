"""The way to MLflow: MLFLOW_TRACKING_URI, else a sqlite file here, which is made safely.

Two kinds of callers wait differently: a training's thread gives up soon, and a command that moves gigabytes does not.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from distilrank.artifacts.locks import alone_in
from distilrank.errors import InputError, RefusedCredentials, Unreachable
from distilrank.network_errors import is_no_answer, is_refusal
from distilrank.redaction import redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Limits:
    """For how long a request waits for a connection or the next bytes, and how often it is tried again."""

    seconds: int
    retries: int

    def set(self) -> None:
        """For all that this process asks of MLflow from now on; what the user set stays."""
        for name, value in {
            "MLFLOW_HTTP_REQUEST_TIMEOUT": str(self.seconds),
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(self.retries),
        }.items():
            if os.environ.get(name) == _SET.get(name):
                os.environ[name] = _SET[name] = value


# What Limits have set, as against what the user did.
_SET: dict[str, str] = {}
# A training's thread: a dead server is given up within half a minute.
IN_BACKGROUND = Limits(seconds=10, retries=1)
# A command's first question, which shows whether the server is there.
FIRST_QUESTION = Limits(seconds=60, retries=2)
# All that a command does from then on: a server may store gigabytes before it answers.
TRANSFERS = Limits(seconds=3600, retries=2)
# What MLflow makes of a status of 401 or 403.
_REFUSALS = ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED")
# Set unless the user set them.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    # Files from 100 MB on go to the store itself, in parts, where MLflow's server says that its store has it.
    "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "100000000",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "DO_NOT_TRACK": "true",
}


def connect(in_background: bool = False) -> tuple["MlflowClient", str]:
    """A client of MLFLOW_TRACKING_URI, else of mlflow.db here, and the experiment's id.

    The experiment is MLFLOW_EXPERIMENT_NAME, else "distilrank"; it is made if need be.
    """
    for variable, value in _DEFAULTS.items():
        os.environ.setdefault(variable, value)
    (IN_BACKGROUND if in_background else FIRST_QUESTION).set()
    # Its retries would be told on standard error, one line each.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    uri = tracking_uri()
    if uri.startswith("sqlite:"):
        _lay_out(Path(urlsplit(uri).path[1:]))
    client = _client(uri)
    experiment = _experiment_id(client, os.environ.get("MLFLOW_EXPERIMENT_NAME") or "distilrank")
    if not in_background:
        TRANSFERS.set()
    return client, experiment


@contextmanager
def faults_told() -> Iterator[None]:
    """Raises Unreachable if MLflow does not answer, RefusedCredentials if it does not let the user in."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        _tell(error)
        # Of files that cannot be had, MLflow does not pass on why: one more question finds out.
        try:
            connect()
        except Exception as again:
            _tell(again)
        raise


def _tell(error: Exception) -> None:
    """Raises what the error tells of the server, if it tells anything."""
    from mlflow.exceptions import MlflowException

    said = redacted(f"{type(error).__name__}: {error}")[:300]
    if is_refusal(error) or (isinstance(error, MlflowException) and error.error_code in _REFUSALS):
        raise RefusedCredentials(
            tracking_uri(),
            got=f"a refusal from MLflow ({said})",
            expected="credentials that it accepts",
            remedy="check MLFLOW_TRACKING_USERNAME and _PASSWORD, or the credentials of its store",
        ) from error
    if is_no_answer(error):
        raise Unreachable(
            tracking_uri(), got=f"no answer from MLflow ({said})", expected="an answer", remedy="start its server"
        ) from error


def tracking_uri() -> str:
    """Where MLflow records."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('mlflow.db').absolute()}"


def _client(uri: str) -> "MlflowClient":
    """A client, which has asked nothing of a server yet. Raises InputError for an address that MLflow cannot use."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        return MlflowClient(tracking_uri=uri)
    except (MlflowException, ImportError) as error:
        if is_no_answer(error):
            raise
        said = str(error).strip().partition("\n")[0][:300]
        raise InputError(
            "MLFLOW_TRACKING_URI",
            got=f"{uri} ({said})",
            expected="an address that MLflow can use",
            remedy="set a server's address, such as https://mlflow.example, or install what the message names",
        ) from error


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

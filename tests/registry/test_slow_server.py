"""Registering with servers that are slow, that let nobody in, and whose store takes large files in parts."""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests.registry.conftest import Built
from tests.registry.proxy import Proxy, proxy_of
from tests.servers import free_port, server

from distilrank import mlflow_client
from distilrank.artifacts import layout
from distilrank.errors import RefusedCredentials, Unreachable
from distilrank.mlflow_client import Limits
from distilrank.registry.register import register
from distilrank.tracking import stage_run

pytestmark = pytest.mark.slow(30)

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
PART = 5 << 20  # the smallest that S3 takes


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of an S3 server that has the bucket `team`."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        moto.start()
        host, port = moto.get_host_and_port()
        boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="team")
        yield f"http://{host}:{port}"
        moto.stop()


@pytest.fixture(scope="module")
def tracker(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server whose artifacts are on S3."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    places = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", "s3://team/mlflow"]
    settings = os.environ | KEYS | {"MLFLOW_S3_ENDPOINT_URL": store, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with server([*command, *places], f"{address}/health", settings, folder / "log"):
        yield address


@pytest.fixture(scope="module")
def before(tracker: str) -> Iterator[Proxy]:
    """One address for all tests, because MLflow remembers the first."""
    with proxy_of(tracker) as proxy:
        yield proxy


@pytest.fixture
def proxy(built: Built, before: Proxy, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """Stands before MLflow; a training's thread waits a second, and what was set before is forgotten."""
    for name in ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(mlflow_client, "_SET", {})
    monkeypatch.setattr(mlflow_client, "IN_BACKGROUND", Limits(seconds=1, retries=0))
    monkeypatch.setattr(mlflow_client, "FIRST_QUESTION", Limits(seconds=60, retries=0))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", before.address)
    before.seconds, before.status, before.puts = 0.0, None, []
    return before


def test_register_takes_its_time_and_sends_large_files_in_parts_where_a_training_gives_up(
    built: Built, proxy: Proxy, store: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(PART))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(PART))
    built.train("dot", 0, in_index=os.urandom(PART + 100))
    built.evaluate({})
    proxy.seconds = 1.5
    with stage_run("dot", {}, Path(".work/dot")) as run:
        run.finish(layout.MODELS / "dot")
    [warning] = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert "has not recorded all of the run of dot" in warning
    proxy.puts = []

    assert [one.version for one in register(built.params())] == [1, 1, 1]

    assert len(proxy.puts) == len(set(proxy.puts)), "something was sent twice"
    client = boto3.client("s3", endpoint_url=store)
    objects = client.get_paginator("list_objects_v2").paginate(Bucket="team").search("Contents")
    [large] = [one for one in objects if one["Key"].endswith("large.parquet")]
    assert (large["Size"], large["ETag"].strip('"')[-2:]) == (PART + 100, "-2")
    assert not [path for path in proxy.puts if "large.parquet" in path], "it went through MLflow's server"


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_lets_nobody_in_is_no_server_that_is_away(
    built: Built, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    proxy.status = status
    monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.address.replace("//", "//me:secret@"))
    with pytest.raises(RefusedCredentials) as refused:
        register(built.params())
    assert refused.value.exit_code == 2
    assert "expected credentials that it accepts; check MLFLOW_TRACKING_USERNAME and _PASSWORD" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_server_that_goes_away_is_told_from_one_that_refuses(built: Built, proxy: Proxy) -> None:
    proxy.status = 503
    with pytest.raises(Unreachable, match="got no answer from MLflow"):
        register(built.params())

"""A small collection that every source can hold, and a web server and an S3 server to hold it."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests.data.small import PASSAGES, QRELS, QUERIES

from distilrank.config.entries import Collection as Section
from distilrank.data import downloads
from distilrank.data.collection import Collection
from distilrank.data.intake import take_in


def assert_holds_it(params: Section, directory: Path, split_names: dict[str, str] | None = None) -> None:
    """The source gives the small collection, whatever its splits are called."""
    findings = take_in(params.opened(), directory, None, None)
    collection, names = Collection.read(directory), split_names or {}
    assert findings.found == []
    assert collection.passages.collect().rows() == PASSAGES
    assert collection.queries.rows() == [(*query, names.get(split, split)) for split, query in QUERIES.items()]
    assert collection.qrels.rows() == [(*qrel, names.get(split, split)) for split, qrel in QRELS.items()]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILRANK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads, "PAUSES", (0.0,))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a web server, and the folder that it serves."""
    folder = tmp_path / "web"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of an S3 server that has the bucket `team`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="team")
    yield client
    server.stop()

"""The stack's S3 server: what was stored is there after a restart, whatever its key."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.conftest import ROOT
from tests.servers import free_port, server

KEYS = [
    "plain",
    "a",
    "a/b",
    "a/b/c.object",
    "../../up",
    "..",
    "/leading",
    "twice//slashed",
    "ends/",
    "ü n d.é",
    "%41",
    "%",
]
Start = Callable[[], AbstractContextManager[Any]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts a server over the same folder, and gives a client of it."""

    @contextmanager
    def begin() -> Iterator[Any]:
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "infra.object_store", str(tmp_path / "objects"), str(port)]
        with server(command, f"{address}/", {"PYTHONPATH": str(ROOT)}, tmp_path / "log"):
            yield boto3.client(
                "s3",
                endpoint_url=address,
                region_name="us-east-1",
                aws_access_key_id="key",
                aws_secret_access_key="secret",
            )

    return begin


def contents(client: Any) -> dict[str, bytes]:
    listed = client.list_objects_v2(Bucket="team").get("Contents", [])
    return {one["Key"]: client.get_object(Bucket="team", Key=one["Key"])["Body"].read() for one in listed}


def test_what_was_stored_is_there_after_a_kill(start: Start, tmp_path: Path) -> None:
    with start() as client:
        client.create_bucket(Bucket="team")
        client.create_bucket(Bucket="empty.one")
        for number, key in enumerate(KEYS):
            client.put_object(Bucket="team", Key=key, Body=b"old")
            client.put_object(Bucket="team", Key=key, Body=str(number).encode())
        client.delete_object(Bucket="team", Key="plain")
        client.delete_objects(Bucket="team", Delete={"Objects": [{"Key": "ends/"}, {"Key": "a"}]})
        before = contents(client)
    assert sorted(before) == sorted(set(KEYS) - {"plain", "ends/", "a"})
    with start() as client:
        assert contents(client) == before
        assert {bucket["Name"] for bucket in client.list_buckets()["Buckets"]} == {"team", "empty.one"}
    assert {file.name for file in tmp_path.iterdir()} == {"objects", "log"}


def test_an_object_in_parts_is_kept_once_it_is_whole(start: Start) -> None:
    part = bytes(range(256)) * 24_000
    with start() as client:
        client.create_bucket(Bucket="team")
        for key, whole in (("whole", True), ("begun", False)):
            where = {"Bucket": "team", "Key": key}
            upload = client.create_multipart_upload(**where)["UploadId"]
            parts = [
                {
                    "PartNumber": number,
                    "ETag": client.upload_part(**where, UploadId=upload, PartNumber=number, Body=part)["ETag"],
                }
                for number in (1, 2)
            ]
            if whole:
                client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
    with start() as client:
        assert contents(client) == {"whole": part * 2}

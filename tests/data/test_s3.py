"""Downloads from a real S3-compatible server over a socket."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from distilrank.artifacts.files import write_json
from distilrank.data import downloads
from distilrank.data.downloads import cache, fetched
from distilrank.errors import DownloadError

CONTENT = np.random.default_rng(0).bytes(11_000_000)
LOCATION = "s3://team/data/collection.tsv"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a server that holds s3://team/data/collection.tsv, uploaded in parts."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setattr(downloads, "PAUSES", (0.0, 0.0))
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "DISTILRANK_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="team")
    upload_in_parts(client, "data/collection.tsv")
    yield client
    server.stop()


def upload_in_parts(client: Any, key: str) -> None:
    where = {"Bucket": "team", "Key": key}
    upload = client.create_multipart_upload(**where)["UploadId"]
    parts = []
    for number, start in enumerate(range(0, len(CONTENT), 5_500_000), 1):
        part = client.upload_part(**where, UploadId=upload, PartNumber=number, Body=CONTENT[start : start + 5_500_000])
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})


def test_an_object_that_came_in_parts_is_fetched_whole(s3: Any) -> None:
    """Its ETag is no digest of its content."""
    assert "-2" in s3.head_object(Bucket="team", Key="data/collection.tsv")["ETag"]
    file = fetched(LOCATION, MD5)
    assert file.read_bytes() == CONTENT


def test_a_download_goes_on_where_it_broke(s3: Any) -> None:
    file = fetched(LOCATION, MD5)
    tag = s3.head_object(Bucket="team", Key="data/collection.tsv")["ETag"]
    partial = file.with_name("collection.tsv.partial")
    # As a kill leaves it, but that the first bytes tell whether they were fetched again.
    partial.write_bytes(b"!" * 1_000 + CONTENT[1_000:9_000_000])
    write_json(partial.with_name(f"{partial.name}.json"), {"source": LOCATION, "version": tag})
    file.unlink()
    again = fetched(LOCATION)
    assert again.read_bytes() == b"!" * 1_000 + CONTENT[1_000:]


def test_what_is_not_there_is_told(s3: Any) -> None:
    with pytest.raises(DownloadError, match="s3://team/nothing: got NoSuchKey"):
        fetched("s3://team/nothing")
    with pytest.raises(DownloadError, match="s3://nobody/nothing: got NoSuchBucket"):
        fetched("s3://nobody/nothing")
    assert not [file for file in cache().rglob("*") if file.is_file()]


def test_missing_credentials_are_told(s3: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(DownloadError, match="got no AWS credentials"):
        fetched(LOCATION)

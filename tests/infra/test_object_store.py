"""The stack's S3 server: what was stored is there after a kill, one file an object, for who has the key."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from tests.conftest import ROOT
from tests.servers import PLAIN, free_port, server

pytestmark = pytest.mark.slow(20)

KEYS = ["plain", "a/b", "a/c.object", "ü n d.é", "%41", "%", "a+b&c?d=e", "files/md5/0a/1b.dir"]
WRONG = ["../../up", "..", "/leading", "twice//slashed"]
MANY = 120
MIB = 1024 * 1024


@dataclass
class Store:
    """A server that runs, and a client that has its key."""

    address: str
    client: Any

    def process(self) -> psutil.Process:
        port = f"--addr={self.address.removeprefix('http://')}"
        [found] = [one for one in psutil.process_iter(["cmdline"]) if port in (one.info["cmdline"] or ())]
        return found


Start = Callable[[], AbstractContextManager[Store]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def start(folder: Path) -> Start:
    """Starts a server over the same folder; it ends by SIGKILL."""

    @contextmanager
    def begin() -> Iterator[Store]:
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "infra.object_store", str(folder / "s3"), str(port)]
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "PYTHONPATH": str(ROOT)}
        with server(command, address, keys, folder / "log", ready=answers):
            yield Store(address, client(address, "secret"))

    return begin


@pytest.fixture(scope="module")
def store(start: Start) -> Iterator[Store]:
    with start() as store:
        store.client.create_bucket(Bucket="team")
        yield store


def client(address: str, secret: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key=secret,
    )


def answers(address: str) -> bool:
    """Whether there is a server, be it one that refuses who has no key."""
    try:
        return PLAIN.get(address).status_code == 400
    except httpx.TransportError:
        return False


def contents(client: Any, bucket: str) -> dict[str, tuple[str, bytes]]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    answers = {key: client.get_object(Bucket=bucket, Key=key) for key in keys}
    return {key: (answer["ETag"], answer["Body"].read()) for key, answer in answers.items()}


def test_what_was_stored_is_there_after_a_kill(start: Start, folder: Path) -> None:
    with start() as store:
        store.client.create_bucket(Bucket="kept")
        store.client.create_bucket(Bucket="empty.one")
        for number, key in enumerate(KEYS):
            store.client.put_object(Bucket="kept", Key=key, Body=b"old")
            store.client.put_object(Bucket="kept", Key=key, Body=str(number).encode())
        store.client.delete_object(Bucket="kept", Key="plain")
        store.client.delete_objects(Bucket="kept", Delete={"Objects": [{"Key": "%41"}, {"Key": "a/b"}]})
        upload = store.client.create_multipart_upload(Bucket="kept", Key="begun")["UploadId"]
        store.client.upload_part(Bucket="kept", Key="begun", UploadId=upload, PartNumber=1, Body=bytes(5 * MIB))
        before = contents(store.client, "kept")
    assert sorted(before) == sorted(set(KEYS) - {"plain", "%41", "a/b"})
    with start() as store:
        assert contents(store.client, "kept") == before
        assert {"kept", "empty.one"} <= {bucket["Name"] for bucket in store.client.list_buckets()["Buckets"]}
        store.client.delete_objects(Bucket="kept", Delete={"Objects": [{"Key": key} for key in before]})
        assert contents(store.client, "kept") == {}
        store.client.head_bucket(Bucket="kept")
    assert [file for file in (folder / "s3" / "objects" / "kept").rglob("*") if file.is_file()] == []


def test_only_the_key_opens_it(store: Store) -> None:
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(store.address, "guessed").list_buckets()
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(store.address, "guessed").put_object(Bucket="team", Key="theirs", Body=b"")
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "PUT"}
    allowed = httpx.options(f"{store.address}/team/theirs", headers=asked).headers["Access-Control-Allow-Origin"]
    assert allowed == store.address
    assert "secret" not in " ".join(store.process().cmdline())


@pytest.mark.parametrize("key", WRONG)
def test_no_key_leads_elsewhere(store: Store, key: str, folder: Path) -> None:
    with pytest.raises(ClientError, match="InvalidArgument"):
        store.client.put_object(Bucket="team", Key=key, Body=b"")
    assert {file.name for file in folder.iterdir()} == {"s3", "log"}


def test_many_objects_are_listed_by_pages_without_a_file_open_for_each(store: Store) -> None:
    for number in range(MANY):
        store.client.put_object(Bucket="team", Key=f"many/{number % 7}/{number}", Body=b"")
    pages = store.client.get_paginator("list_objects_v2").paginate(
        Bucket="team", Prefix="many/", PaginationConfig={"PageSize": 50}
    )
    assert [len(page["Contents"]) for page in pages] == [50, 50, 20]
    below = store.client.list_objects_v2(Bucket="team", Prefix="many/", Delimiter="/")
    assert [one["Prefix"] for one in below["CommonPrefixes"]] == [f"many/{number}/" for number in range(7)]
    assert store.process().num_fds() < 50


def test_an_object_larger_than_the_servers_memory_goes_in_parts_and_comes_by_ranges(store: Store) -> None:
    size = 200 * MIB
    content = bytes(size)
    transfer = TransferConfig(max_concurrency=4)
    store.client.upload_fileobj(BytesIO(content), "team", "large", Config=transfer)
    place = BytesIO()
    store.client.download_fileobj("team", "large", place, Config=transfer)
    assert place.getvalue() == content
    part = store.client.get_object(Bucket="team", Key="large", Range=f"bytes={size - 10}-{size + 10}")
    assert part["Body"].read() == bytes(10)
    assert most_memory(store.process()) < size


def most_memory(process: psutil.Process) -> int:
    """The most bytes that it has had in memory."""
    status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024

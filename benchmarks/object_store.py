"""The stack's S3 server with one large object and with many small ones: memory, open files, and time.

    python benchmarks/object_store.py [--megabytes 2000] [--files 10000]

Each step prints its seconds, the server's peak memory since its start, and its peak number of open files in the step.
At the end the server is killed and started again. A listing then shows which objects are there, and with which ETags.
"""

import argparse
import filecmp
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import boto3
import psutil
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from rich.console import Console

from distilrank.evaluation.latency import machine

ROOT = Path(__file__).parents[1]
BUCKET = "team"
KEYS = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}
AT_ONCE = 8
console = Console(width=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=2_000)
    parser.add_argument("--files", type=int, default=10_000)
    asked = parser.parse_args()
    console.print(f"{machine()}: {asked.megabytes:,} MB in one object; {asked.files:,} small ones, {AT_ONCE} at once")
    with tempfile.TemporaryDirectory() as temporary:
        run(Path(temporary), asked)


def run(place: Path, asked: argparse.Namespace) -> None:
    with Server(place / "s3") as server:
        server.client.create_bucket(Bucket=BUCKET)
        whole_object(server, place, asked.megabytes)
        many_objects(server, asked.files)
        before = listed(server)
    with Server(place / "s3") as server, server.step("listed after a kill"):
        after = listed(server)
    console.print(f"after the kill: {len(after):,} objects, {'the same' if after == before else 'not the same'}")


def whole_object(server: "Server", place: Path, megabytes: int) -> None:
    given, got = place / "given", place / "got"
    with given.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1_000_000))
    with server.step("one object up"):
        server.client.upload_file(str(given), BUCKET, "large")
    with server.step("and down"):
        server.client.download_file(BUCKET, "large", str(got))
    assert filecmp.cmp(given, got, shallow=False)


def many_objects(server: "Server", files: int) -> None:
    def put(number: int) -> None:
        server.client.put_object(Bucket=BUCKET, Key=name(number), Body=name(number).encode())

    def get(number: int) -> bool:
        answer = server.client.get_object(Bucket=BUCKET, Key=name(number))
        return bool(answer["Body"].read() == name(number).encode())

    for step, act in (("many up", put), ("many down", get)):
        with server.step(step), ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(act, range(files)))
    with server.step("listed"):
        assert len(listed(server)) == files + 1


def name(number: int) -> str:
    """A key like those of DVC, which spreads its files over 256 folders."""
    return f"files/md5/{number % 256:02x}/{number:08}"


def listed(server: "Server") -> dict[str, str]:
    pages = server.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return {found["Key"]: found["ETag"] for page in pages for found in page["Contents"]}


class Server:
    """The server as the stack starts it. SIGKILL ends it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self._port}",
            region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            config=Config(max_pool_connections=AT_ONCE),
        )

    def __enter__(self) -> "Server":
        command = [sys.executable, "-m", "infra.object_store", str(self._folder), str(self._port)]
        self._process = subprocess.Popen(command, cwd=ROOT, env=os.environ | KEYS, stderr=subprocess.DEVNULL)
        while self._process.poll() is None:
            try:
                self.client.list_buckets()
                return self
            except EndpointConnectionError:
                time.sleep(0.1)
        raise SystemExit(f"the server ended with {self._process.returncode} before it answered")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        with watched(psutil.Process(self._process.pid).num_fds) as most_files:
            began = time.perf_counter()
            yield
            seconds = time.perf_counter() - began
        console.print(
            f"{name}: {seconds:.1f} s; at most {self._most_memory():.0f} MB of memory, {most_files()} open files"
        )

    def _most_memory(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8").splitlines()
        [most] = [line.split()[1] for line in status if line.startswith("VmHWM")]
        return int(most) * 1024 / 1e6


@contextmanager
def watched(count: Callable[[], int]) -> Iterator[Callable[[], int]]:
    """The peak of a count that is taken some hundred times per second."""
    most, over = count(), Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.01):
            most = max(most, count())

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: most
    finally:
        over.set()
        watcher.join()


if __name__ == "__main__":
    main()

"""Downloads from a real server over a real socket: one that breaks off, lies, or serves other bytes."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from distilrank.data import downloads
from distilrank.data.downloads import cache, fetched
from distilrank.errors import DownloadError

CONTENT = np.random.default_rng(0).bytes(5_000_000)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@dataclass
class Behaviour:
    """What the server does, and the ranges that it was asked for."""

    content: bytes = CONTENT
    tag: str = '"one"'
    breaks: int = 0  # how many answers end early
    ranges: bool = True
    length: int | None = None  # what it says, if not the truth
    status: int | None = None
    slowly: bool = False
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour()


@pytest.fixture
def server(behaviour: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that behaves so; downloads have a cache of their own, and do not wait."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            behaviour.asked.append(self.headers.get("Range", ""))
            if behaviour.status:
                return self.send_error(behaviour.status)
            found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            part = bool(found and behaviour.ranges and self.headers.get("If-Range") == behaviour.tag)
            start = int(found[1]) if found and part else 0
            body = behaviour.content[start:]
            self.send_response(206 if part else 200)
            self.send_header("ETag", behaviour.tag)
            self.send_header("Content-Length", str(behaviour.length or len(body)))
            self.end_headers()
            if behaviour.breaks:
                behaviour.breaks -= 1
                body = body[: 1 + len(body) // 3]
            for place in range(0, len(body), 100_000):
                self.wfile.write(body[place : place + 100_000])
                time.sleep(0.05 * behaviour.slowly)
            self.close_connection = True
            return None

        def log_message(self, *_: object) -> None: ...

    monkeypatch.setenv("DISTILRANK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads, "PAUSES", (0.0, 0.0))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as started:
        threading.Thread(target=started.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{started.server_port}/files/collection.tsv"
        started.shutdown()


def test_a_file_is_fetched_once(server: str, behaviour: Behaviour) -> None:
    file = fetched(server, MD5)
    assert file.name == "collection.tsv"
    assert file.read_bytes() == CONTENT
    assert fetched(server, MD5) == file
    assert behaviour.asked == [""]
    assert [left.name for left in file.parent.iterdir()] == ["collection.tsv"]


def test_a_broken_download_goes_on_where_it_broke(server: str, behaviour: Behaviour) -> None:
    behaviour.breaks = 3
    assert fetched(server, MD5).read_bytes() == CONTENT
    starts = [int(asked.removeprefix("bytes=").rstrip("-") or 0) for asked in behaviour.asked]
    assert len(starts) == 4
    assert starts == sorted(set(starts))


def test_a_connection_that_breaks_for_good_is_told_and_what_came_stays(server: str, behaviour: Behaviour) -> None:
    behaviour.breaks = 99
    behaviour.content = CONTENT[:30]
    with pytest.raises(DownloadError, match=r"a connection that breaks, at byte 30|the download goes on from there"):
        fetched(server)
    behaviour.breaks = 0
    assert fetched(server).read_bytes() == CONTENT[:30]


def test_a_server_without_ranges_begins_anew(server: str, behaviour: Behaviour) -> None:
    behaviour.breaks, behaviour.ranges = 1, False
    assert fetched(server, MD5).read_bytes() == CONTENT


def test_a_file_that_changed_in_between_is_not_patched_together(server: str, behaviour: Behaviour) -> None:
    behaviour.breaks = 99
    with pytest.raises(DownloadError):
        fetched(server)
    behaviour.breaks, behaviour.tag, behaviour.content = 0, '"two"', CONTENT[::-1]
    assert fetched(server).read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("said", [len(CONTENT) + 10, 10 * len(CONTENT)])
def test_a_length_that_is_a_lie_is_not_believed(server: str, behaviour: Behaviour, said: int) -> None:
    behaviour.length = said
    with pytest.raises(DownloadError, match=r"a connection that breaks, at byte 4,9"):
        fetched(server, MD5)


def test_fewer_bytes_than_there_are_show_by_the_checksum(server: str, behaviour: Behaviour) -> None:
    behaviour.length = 1_000
    with pytest.raises(DownloadError, match=rf"got md5 .*, expected {MD5[4:]}"):
        fetched(server, MD5)
    behaviour.length = None
    assert fetched(server, MD5).read_bytes() == CONTENT


def test_other_bytes_are_refused_and_a_mirror_is_asked(server: str, behaviour: Behaviour) -> None:
    behaviour.content = CONTENT[::-1]
    with pytest.raises(DownloadError, match=rf"got md5 .*, expected {MD5[4:]}"):
        fetched(server, MD5)
    with pytest.raises(DownloadError, match=r"no location that could be read \(.*collection.tsv.*mirror.tsv.*\)"):
        fetched(server, MD5, [server.replace("collection", "mirror")])
    assert not list(cache().rglob("*.tsv"))


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_status_that_is_no_file_is_told(server: str, behaviour: Behaviour, status: int) -> None:
    behaviour.status = status
    with pytest.raises(DownloadError, match=f"status {status}"):
        fetched(server)
    assert len(behaviour.asked) == (3 if status == 503 else 1)


def test_a_server_that_is_not_there_is_told(server: str) -> None:
    with pytest.raises(DownloadError, match="a connection that breaks, at byte 0"):
        fetched("http://127.0.0.1:9/collection.tsv")


def test_a_scheme_that_is_none_is_told(server: str) -> None:
    with pytest.raises(DownloadError, match="got the scheme 'gopher', expected https://, http:// or s3://"):
        fetched("gopher://example.org/collection.tsv")


def test_the_proxy_of_the_environment_is_used(
    server: str, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.removesuffix("/files/collection.tsv"))
    monkeypatch.setenv("no_proxy", "")
    assert fetched("http://collections.invalid/collection.tsv", MD5).read_bytes() == CONTENT
    assert behaviour.asked == [""]


def test_a_download_that_was_killed_goes_on(server: str, behaviour: Behaviour) -> None:
    behaviour.slowly = True
    words = [sys.executable, "-c", f"from distilrank.data.downloads import fetched; fetched({server!r})"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, env=os.environ) as process:
        wait_for_bytes(1_000_000)
        process.send_signal(signal.SIGKILL)
    behaviour.slowly = False
    assert fetched(server, MD5).read_bytes() == CONTENT
    assert int(behaviour.asked[-1].removeprefix("bytes=").rstrip("-")) >= 1_000_000


def wait_for_bytes(count: int) -> None:
    deadline = time.monotonic() + 60
    while sum(file.stat().st_size for file in cache().rglob("*.partial")) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_path_is_its_own_file(tmp_path: Path) -> None:
    file = tmp_path / "collection.tsv"
    with pytest.raises(DownloadError, match="got no such file"):
        fetched(str(file))
    file.write_bytes(CONTENT)
    assert fetched(str(file), MD5) == file
    with pytest.raises(DownloadError, match="got md5"):
        fetched(str(file), "md5:" + 32 * "0")


def a_download(location: str) -> "subprocess.Popen[str]":
    code = f"from distilrank.data.downloads import fetched; print(fetched({location!r}, {MD5!r}).stat().st_size)"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ, text=True)


def test_two_processes_that_want_one_file_both_get_it(server: str, behaviour: Behaviour) -> None:
    behaviour.slowly = True
    both = [a_download(server) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert all(one.endswith(f"{len(CONTENT)}\n") for one in said)
    assert f"{server}: waiting for another process that downloads it" in "".join(said)
    assert behaviour.asked == [""]


def test_one_of_two_that_is_killed_leaves_its_part_to_the_other(server: str, behaviour: Behaviour) -> None:
    behaviour.slowly = True
    first = a_download(server)
    wait_for_bytes(1_000_000)
    second = a_download(server)
    assert second.stdout is not None and "waiting" in second.stdout.readline()
    first.kill()
    behaviour.slowly = False
    said, _ = second.communicate()
    first.communicate()
    assert second.returncode == 0 and said.endswith(f"{len(CONTENT)}\n")
    assert int(behaviour.asked[-1].removeprefix("bytes=").rstrip("-")) >= 1_000_000

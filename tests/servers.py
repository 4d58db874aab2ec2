"""Servers that tests start themselves, on free ports of this machine."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx

Seen = TypeVar("Seen")
# One that keeps no certificates: to read them takes longer than to ask a server.
PLAIN = httpx.Client(verify=False, limits=httpx.Limits(max_keepalive_connections=0))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def wait_for(look: Callable[[], Seen], done: Callable[[Seen], bool], seconds: float = 20) -> Seen:
    """What was seen once it is done, or at the end of the time."""
    end = time.monotonic() + seconds
    while not done(seen := look()) and time.monotonic() < end:
        time.sleep(0.1)
    return seen


def healthy(address: str) -> bool:
    try:
        return PLAIN.get(address).is_success
    except httpx.TransportError:
        return False


@contextmanager
def server(
    command: Sequence[str],
    health: str,
    environment: Mapping[str, str],
    log: Path,
    ready: Callable[[str], bool] = healthy,
) -> Iterator[None]:
    """A server, once it is ready at its health address; it ends with the block, and all that it started."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True, cwd=log.parent
        )
    try:
        assert wait_for(lambda: ready(health), bool, seconds=90), log.read_text()
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

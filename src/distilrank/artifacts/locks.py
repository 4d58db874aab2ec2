"""Locks for one process at a time, which end with their process."""

import fcntl
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distilrank.artifacts.work import WORK
from distilrank.errors import InputError

# Tells a command that it replaces one whose Ray worker was lost. On another machine, the lost command may live on until
# that machine notices.
IN_PLACE_OF_LOST = "DISTILRANK_IN_PLACE_OF_LOST"
_SECONDS_FOR_LOST = 300


@contextmanager
def alone_in(folder: Path, waiting: str = "") -> Iterator[None]:
    """Waits for other processes in the same block. Prints `waiting` if it has to wait."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if not taken(descriptor):
            if waiting:
                print(waiting, flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def taken(descriptor: int, shared: bool = False) -> bool:
    """Takes the lock on an open file or folder until that is closed, and tells whether it was free."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def alone_with(directory: Path) -> Iterator[None]:
    """For a block that makes `directory`: no other process is in such a block for the same directory.

    Raises InputError, which names the other process, if there is one. A lock lasts only as long as its process, so a
    killed process leaves nothing to clean up.
    """
    file = WORK / f"{'-'.join(directory.parts)}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        until = time.monotonic() + (_SECONDS_FOR_LOST if os.environ.get(IN_PLACE_OF_LOST) else 0)
        while not taken(descriptor):
            if time.monotonic() >= until:
                raise InputError(
                    directory,
                    got=f"a training of this model that still runs ({file.read_text('utf-8') or 'process unknown'})",
                    expected="one training at a time",
                    remedy="wait until it ends, or end that process; the next one resumes its work",
                )
            time.sleep(0.5)
        command = [Path(sys.argv[0]).name, *sys.argv[1:]]
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}: {shlex.join(command)}".encode())
        yield
    finally:
        os.close(descriptor)

"""One process at a time, by a lock on a folder that dies with its process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone_in(folder: Path, waiting: str = "") -> Iterator[None]:
    """Waits for other processes in the same block, and prints `waiting` if it has to."""
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
    """Takes the lock on an open file or folder, until that is closed, and tells whether it was to be had at once."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

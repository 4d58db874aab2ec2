"""The working tree, which one flow run at a time may change."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.command import Tell

LOCK = Path(".work/flow.lock")


@contextmanager
def alone_in_working_tree(tell: Tell) -> Iterator[None]:
    """Wait until no other flow run is in this block, here or in another process; one that dies leaves it."""
    LOCK.parent.mkdir(exist_ok=True)
    descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _taken(descriptor):
            tell("another run is at work in this working tree: this one waits for it")
            # Asked again and again, because a cancellation must end the wait.
            while not _taken(descriptor):
                time.sleep(1)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

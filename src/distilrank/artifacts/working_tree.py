"""A lock on the working tree: one flow run, registration or promotion at a time may change it, or read it as a
whole."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from distilrank.artifacts.locks import taken

LOCK = Path(".work/flow.lock")
# Set by a flow for the commands that it runs, so that they do not wait for the working tree.
_OURS = "DISTILRANK_OWN_WORKING_TREE"


@contextmanager
def alone_in_working_tree(tell: Callable[[str], object]) -> Iterator[None]:
    """Waits until nobody else is in this block, here or in another process. A process that dies leaves the block.

    Commands started in the block are in it too, through `with_whoever_started_this`.
    """
    LOCK.parent.mkdir(exist_ok=True)
    descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not taken(descriptor):
            tell("another run is at work in this working tree: this one waits for it")
            # Polls, because a cancellation must end the wait.
            while not taken(descriptor):
                time.sleep(1)
        os.environ[_OURS] = str(Path.cwd())
        try:
            yield
        finally:
            del os.environ[_OURS]
    finally:
        os.close(descriptor)


@contextmanager
def with_whoever_started_this(tell: Callable[[str], object]) -> Iterator[None]:
    """The same block for a command, unless the flow that started it is in the block already."""
    if os.environ.get(_OURS) == str(Path.cwd()):
        yield
    else:
        with alone_in_working_tree(tell):
            yield

"""The working tree, which one flow run, registration or promotion at a time may change or read as a whole."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from distilrank.artifacts.locks import taken

LOCK = Path(".work/flow.lock")
# What a flow says to the commands that it runs: the working tree that they need not wait for.
_OURS = "DISTILRANK_OWN_WORKING_TREE"


@contextmanager
def alone_in_working_tree(tell: Callable[[str], object]) -> Iterator[None]:
    """Waits until nobody else is in this block, here or in another process; one that dies leaves it.

    Commands that are started in the block are in it too, by `with_whoever_started_this`.
    """
    LOCK.parent.mkdir(exist_ok=True)
    descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not taken(descriptor):
            tell("another run is at work in this working tree: this one waits for it")
            # Asked again and again, because a cancellation must end the wait.
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
    """In a command: the same, unless the flow that started it is alone here already."""
    if os.environ.get(_OURS) == str(Path.cwd()):
        yield
    else:
        with alone_in_working_tree(tell):
            yield

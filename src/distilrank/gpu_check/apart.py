"""Runs a function in a process of its own, so that a crash, a hang or a card's fault ends nothing here."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

# With this, the function in the other process reports a value.
Tell = Callable[[Any], None]


class Lost(Exception):
    """The process ended before the function did. The message says how."""


def told_apart(
    function: Callable[..., None], arguments: tuple[Any, ...], log: Path, deadline: float, start: str = "forkserver"
) -> Iterator[Any]:
    """What `function(tell, *arguments)` reports, as it comes, from a process whose output goes to the file `log`.

    After `deadline` (in the time of time.monotonic), the process is killed with all that it began. Raises Lost.
    """
    context: Any = get_context(start)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(function, arguments, there, log))
    process.start()
    there.close()
    try:
        while here.poll(max(0.0, deadline - time.monotonic())):
            try:
                yield here.recv()
            except EOFError:
                process.join()
                if process.exitcode:
                    raise Lost(f"its process ended with exit code {process.exitcode}") from None
                return
        raise Lost("its time was over")
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
        here.close()


def _run(function: Callable[..., None], arguments: tuple[Any, ...], there: Connection, log: Path) -> None:
    os.setsid()
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        function(there.send, *arguments)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)

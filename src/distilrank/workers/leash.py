"""A leash: its commands, and everything that they started, end when it is let go or its holder dies.

A signal reaches one process but not its children, and SIGKILL leaves no time to pass anything on. So each command runs
in a session of its own, with this file as its supervisor. The supervisor's standard input is a pipe that only the
holder keeps open. However the holder ends, the kernel closes the pipe. This file imports only the standard library,
because supervisors start often.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType

GRACE = 5.0  # seconds between SIGTERM and SIGKILL


class Leash:
    """Starts commands that outlive neither the `with` block nor this process."""

    def __init__(self) -> None:
        far, near = os.pipe()
        # The read end stays open after the block, so a command that starts too late finds the pipe closed and ends.
        self._far = os.fdopen(far, "rb")
        self._near = os.fdopen(near, "wb")

    def __enter__(self) -> "Leash":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._near.close()

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: int = subprocess.PIPE,
        errors: int | None = subprocess.STDOUT,
    ) -> "subprocess.Popen[bytes]":
        """Starts a command and returns its supervisor, which exits with the command's code.

        The command writes to `output`, and its errors to `errors`, by default to the same place.
        """
        return subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, *command],
            stdin=self._far,
            stdout=output,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )


def supervise(command: Sequence[str]) -> int:
    """Runs a command until it ends, SIGTERM comes or standard input closes; returns its exit code as a shell would.

    Passes SIGINT on to the command.
    """
    over: SimpleQueue[int | None] = SimpleQueue()
    signal.signal(signal.SIGTERM, lambda *_: over.put(None))
    signal.signal(signal.SIGINT, lambda number, _: over.put(number))
    # Ray's processes block SIGINT, and their children would inherit that.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    tell_after(child.wait, over)
    tell_after(lambda: os.read(0, 1), over)
    while over.get() == signal.SIGINT:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGINT)
    end_group(child.pid)
    code = child.wait()
    return code if code >= 0 else 128 - code


def tell_after(wait: Callable[[], object], over: SimpleQueue[int | None]) -> None:
    """Puts an item into the queue once the wait is over."""

    def watch() -> None:
        wait()
        over.put(None)

    threading.Thread(target=watch, daemon=True).start()


def end_group(group: int) -> None:
    """Ends every process of a group: asks, waits a little, then kills."""
    killing = time.monotonic() + GRACE
    try:
        os.killpg(group, signal.SIGTERM)
        while time.monotonic() < killing:
            os.killpg(group, 0)  # fails once the group is empty
            time.sleep(0.02)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    sys.exit(supervise(sys.argv[1:]))

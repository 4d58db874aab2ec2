"""Runs a command on a node of a Ray cluster as if it ran here: its output, its exit code and Ctrl-C pass through."""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from distilrank.artifacts.locks import IN_PLACE_OF_LOST
from distilrank.artifacts.work import WORK
from distilrank.errors import WorkerError
from distilrank.workers.leash import Leash
from distilrank.workers.ray_cluster import PATIENCE, connected, room_for, tell_of_wait
from distilrank.workers.work import MOST_LOST, Workplace

# Variables that travel to the node. It keeps its own for the rest, such as its programs, its home and its GPUs.
_TRAVELS = ("DISTILRANK_", "MLFLOW_")
_BYTES_AT_ONCE = 65_536
# Otherwise Ray would kill the command's supervisor and leave the command running.
_RAY_KILLS_NO_CHILDREN = {"env_vars": {"RAY_kill_child_processes_on_worker_exit": "0"}}


@dataclass(frozen=True)
class Command:
    """Python with these arguments in a working tree. A node shares the tree if it finds the file `mark`."""

    arguments: Sequence[str]
    tree: Path
    mark: Path
    environment: Mapping[str, str]


def run_on_ray(arguments: Sequence[str], place: Workplace, reached: Callable[[], object]) -> int:
    """Runs Python with these arguments in this directory on a node that has room, and returns the exit code.

    The first Ctrl-C or SIGTERM reaches the command as SIGINT; a second one ends it. If its worker is lost, the command
    starts again. Raises WorkerError if that keeps happening while `reached()` stays the same, if the cluster has no
    room, or if the node lacks the directory.
    """
    import ray

    assert place.ray_address
    environment = {name: value for name, value in os.environ.items() if name.startswith(_TRAVELS)}
    with connected(place.ray_address), _mark() as mark, _signals() as signals:
        room_for(replace(place, count=1))
        losses, before = 0, reached()
        while True:
            run = _Run(Command(arguments, Path.cwd(), mark, environment), place, signals)
            try:
                return run.followed()
            except ray.exceptions.RayActorError as error:
                run.end()
                if signals:
                    raise KeyboardInterrupt from error
                now = reached()
                losses, before = (losses + 1 if now == before else 1), now
                _tell_of_loss(losses, error)
                environment[IN_PLACE_OF_LOST] = "1"


def _tell_of_loss(losses: int, error: Exception) -> None:
    if losses > MOST_LOST:
        raise WorkerError(
            "Ray",
            got=f"the loss of a worker, {losses} times without a new checkpoint ({error})",
            expected="workers that stay alive, with enough memory for each",
            remedy="see `ray status` on the cluster, then run it again: finished work is kept",
        ) from error
    line = "distilrank: its worker on the Ray cluster was lost; it begins again, and goes on from its last checkpoint"
    print(line, file=sys.stderr, flush=True)


@contextmanager
def _mark() -> Iterator[Path]:
    """A file by which a node sees that it has this working tree."""
    WORK.mkdir(exist_ok=True)
    with NamedTemporaryFile(dir=WORK, prefix="seen-by-ray-") as file:
        yield Path(file.name)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM. In this block they end nothing: neither Python's nor Ray's handlers run."""
    came: list[int] = []
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.signal(kind, lambda number, _: came.append(number)) for kind in kinds}
    try:
        yield came
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


class _Run:
    """One attempt at running the command."""

    def __init__(self, command: Command, place: Workplace, signals: list[int]) -> None:
        import ray

        kind = ray.remote(_Node).options(
            num_cpus=place.cpus, num_gpus=place.gpus, max_concurrency=2, runtime_env=_RAY_KILLS_NO_CHILDREN
        )
        self._node: Any = kind.remote(command)
        self._signals, self._answered = signals, 0
        self._told = time.monotonic() + PATIENCE

    def followed(self) -> int:
        """Passes on the command's output until it ends, then returns its exit code."""
        name = self._kept(self._node.start.remote(), self._at_start)
        print(f"distilrank: runs on {name}, a node of the Ray cluster", file=sys.stderr, flush=True)
        while not isinstance(read := self._kept(self._node.read.remote(), self._at_work), int):
            written, of_errors = read
            stream = sys.stderr if of_errors else sys.stdout
            stream.buffer.write(written)
            stream.flush()
        return read

    def end(self) -> None:
        """Ends a worker that seems lost: perhaps only the connection to it is."""
        import ray

        ray.kill(self._node)

    def _kept(self, promise: Any, meanwhile: Callable[[], None]) -> Any:
        """Waits for a result and checks for signals meanwhile, because a handler cannot call Ray while Ray waits."""
        import ray

        meanwhile()
        while not ray.wait([promise], timeout=0.2)[0]:
            meanwhile()
        try:
            return ray.get(promise)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error  # the node's own error

    def _at_start(self) -> None:
        if self._signals:
            raise KeyboardInterrupt
        if time.monotonic() > self._told:
            tell_of_wait()
            self._told = float("inf")

    def _at_work(self) -> None:
        if len(self._signals) > 1:
            raise KeyboardInterrupt
        if len(self._signals) > self._answered:
            self._answered += 1
            self._node.interrupt.remote()


class _Node:
    """The actor that runs the command on its node. However the actor ends, the command ends too."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._leash, self._streams = Leash(), selectors.DefaultSelector()

    def start(self) -> str:
        """Starts the command, once the cluster has room for the actor, and returns the node's name.

        Raises WorkerError if the node lacks the working tree.
        """
        name, command = socket.gethostname(), self._command
        if not command.mark.is_file():
            raise WorkerError(
                command.tree,
                got=f"no such working tree on {name}, a node of the Ray cluster",
                expected="one file system for all nodes: trainings read and write the working tree",
                remedy="mount it at that path on every node, or unset DISTILRANK_RAY_ADDRESS",
            )
        os.chdir(command.tree)
        environment = {**os.environ, **command.environment, "PYTHONUNBUFFERED": "1"}
        environment.pop("DISTILRANK_RAY_ADDRESS", None)  # or the command would go to the cluster again
        self._process = self._leash.start([sys.executable, *command.arguments], environment, errors=subprocess.PIPE)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream
            self._streams.register(stream, selectors.EVENT_READ, stream is self._process.stderr)
        return name

    def read(self) -> tuple[bytes, bool] | int:
        """The next output and whether it is of standard error; at the end, the exit code."""
        while self._streams.get_map():
            key = self._streams.select()[0][0]
            if written := os.read(key.fd, _BYTES_AT_ONCE):
                return written, key.data
            self._streams.unregister(key.fileobj)
        return self._process.wait()

    def interrupt(self) -> None:
        """Sends SIGINT to the command; may be called while `read` waits."""
        self._process.send_signal(signal.SIGINT)

"""Workers on a Ray cluster: actors."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from distilrank.errors import WorkerError
from distilrank.workers.ray_cluster import PATIENCE, connected, room_for, tell_of_wait
from distilrank.workers.work import MOST_LOST, Each, Part, Result, Work, Workplace


@contextmanager
def on_ray(work: Work[Part, Result], place: Workplace, address: str) -> Iterator[Each[Part, Result]]:
    """Actors on the cluster at `address`; `local` starts a cluster here, which ends with the block."""
    with connected(address):
        yield _Actors(work, place).each


class _Actors:
    """Actors on the cluster. A lost one is replaced, and its parts go to the next one that is free."""

    def __init__(self, work: Work[Any, Any], place: Workplace) -> None:
        import ray

        count = room_for(place)
        files = {str(file.relative_to(work.directory)): file for file in work.directory.rglob("*") if file.is_file()}
        # The files go through Ray's store, because a worker's machine may lack this file system.
        self._content = [ray.put({name: file.read_bytes() for name, file in files.items()})]
        kind = ray.remote(_Worker).options(num_cpus=place.cpus, num_gpus=place.gpus)
        self._new = partial(kind.remote, work.begin, work.directory.name)
        self._ready: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._losses = 0
        for _ in range(count):
            self._start()

    def each(self, parts: Iterable[Any]) -> Iterator[Any]:
        import ray

        source, lost = iter(parts), list[Any]()
        running: dict[Any, tuple[Any, Any]] = {}
        while True:
            self._hand_out(source, lost, running)
            if self._ready and not running:
                return
            done = self._first_of(running)
            if done in self._starting:
                self._take_in(done)
                continue
            actor, part = running.pop(done)
            try:
                result = ray.get(done)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error  # the worker's own error
            except ray.exceptions.RayActorError as error:
                lost.append(part)
                if actor in self._ready:
                    self._ready.remove(actor)
                    self._replace(error)
                continue
            self._losses = 0
            yield result

    def _hand_out(self, source: Iterator[Any], lost: list[Any], running: dict[Any, tuple[Any, Any]]) -> None:
        """Gives each actor two parts: one to work on, and the next one so that it need not wait."""
        for actor in self._ready:
            busy = sum(other is actor for other, _ in running.values())
            again = [lost.pop() for _ in range(min(len(lost), 2 - busy))]
            for part in [*again, *islice(source, 2 - busy - len(again))]:
                running[actor.do.remote(part, self._content)] = (actor, part)

    def _first_of(self, running: dict[Any, Any]) -> Any:
        """The first that is done: a part, or the start of an actor."""
        import ray

        promises = [*running, *self._starting]
        done, _ = ray.wait(promises, timeout=None if running else PATIENCE)
        if not done:
            tell_of_wait()
            done, _ = ray.wait(promises)
        return done[0]

    def _take_in(self, begun: Any) -> None:
        import ray

        actor = self._starting.pop(begun)
        try:
            ray.get(begun)
            self._ready.append(actor)
        except ray.exceptions.RayActorError as error:
            self._replace(error)

    def _replace(self, error: Exception) -> None:
        self._losses += 1
        if self._losses > MOST_LOST:
            raise WorkerError(
                "Ray",
                got=f"{self._losses} lost workers and no part that was finished in between ({error})",
                expected="workers that stay alive",
                remedy="see `ray status`, raise DISTILRANK_CPUS_PER_WORKER to give each more memory, then run it "
                "again: finished parts are kept",
            ) from error
        self._start()

    def _start(self) -> None:
        actor: Any = self._new()
        self._starting[actor.ready.remote()] = actor


class _Worker:
    """A worker as an actor, in a process of its own."""

    def __init__(self, begin: Any, name: str) -> None:
        self._begin, self._name = begin, name
        self._do: Any = None

    def ready(self) -> None:
        """Returns once the cluster has room for the actor."""

    def do(self, part: Any, content: list[Any]) -> Any:
        # Not when the actor starts: Ray would take an error there for its loss.
        self._do = self._do or self._begun(content)
        return self._do(part)

    def _begun(self, content: list[Any]) -> Any:
        import ray

        files: dict[str, bytes] = ray.get(content[0])
        with tempfile.TemporaryDirectory() as temporary:
            directory = Path(temporary) / self._name
            for path, written in files.items():
                file = directory / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(written)
            return self._begin(directory)

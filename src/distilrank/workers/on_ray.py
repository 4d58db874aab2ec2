"""Workers on a Ray cluster: actors, which Ray begins again, elsewhere if need be, when they are lost."""

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from distilrank.errors import WorkerError
from distilrank.workers.work import LOSSES, Each, Part, Result, Work, Workplace


@contextmanager
def on_ray(work: Work[Part, Result], place: Workplace, address: str) -> Iterator[Each[Part, Result]]:
    """Actors on the cluster at `address`, or, for `local`, on one that is started here and ends with the block."""
    import ray

    _connect(address)
    try:
        yield _Actors(work, place).each
    finally:
        ray.shutdown()  # and with this driver its actors


class _Actors:
    def __init__(self, work: Work[Any, Any], place: Workplace) -> None:
        import ray

        fit = _how_many_fit(place)
        files = {str(file.relative_to(work.directory)): file for file in work.directory.rglob("*") if file.is_file()}
        # By way of Ray's store, since a worker may be on a machine without this file system.
        self._content = ray.put({name: file.read_bytes() for name, file in files.items()})
        kind = ray.remote(_Worker).options(
            num_cpus=place.cpus, num_gpus=place.gpus, max_restarts=LOSSES, max_task_retries=LOSSES
        )
        self._actors = [kind.remote(work.begin, work.directory.name) for _ in range(place.count or fit)]

    def each(self, parts: Iterable[Any]) -> Iterator[Any]:
        import ray

        waiting = iter(parts)
        running: dict[Any, Any] = {}

        def hand_to(actor: Any, count: int) -> None:
            running.update({actor.do.remote(part, [self._content]): actor for part in islice(waiting, count)})

        for actor in self._actors:
            hand_to(actor, 2)  # one that it works on, one that it need not wait for
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            hand_to(running.pop(done), 1)
            yield self._result(done)

    def _result(self, done: Any) -> Any:
        import ray

        try:
            return ray.get(done)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error  # as it would be raised here
        except ray.exceptions.RayActorError as error:
            raise WorkerError(
                "Ray",
                got=f"workers that are lost again and again ({error})",
                expected="workers that live, and memory enough for each",
                remedy="see `ray status` on the cluster, and run it again: what is done stays",
            ) from error


class _Worker:
    """An actor, in a process of its own."""

    def __init__(self, begin: Any, name: str) -> None:
        self._begin, self._name = begin, name
        self._do: Any = None

    def do(self, part: Any, content: list[Any]) -> Any:
        # On the first part, so that an actor that Ray begins again finds the files again: it keeps no arguments.
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


def _connect(address: str) -> None:
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    settings = {name: value for name, value in os.environ.items() if name.startswith("DISTILRANK_")}
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": settings},
            # Where Ray is started here, nothing that listens for a browser; elsewhere it is not this driver's to say.
            include_dashboard=False if address == "local" else None,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise WorkerError(
            "DISTILRANK_RAY_ADDRESS",
            got=f"'{address}' ({error})",
            expected="the address of a Ray cluster, such as 10.0.0.1:6379, auto or local",
            remedy="start one with `ray start --head`, or unset the variable",
        ) from error


def _how_many_fit(place: Workplace) -> int:
    """As many workers as the cluster has room for. Raises WorkerError where it has for none."""
    import ray

    has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # untyped in Ray
    cpus, gpus = has.get("CPU", 0.0), has.get("GPU", 0.0)
    fit = int(min(cpus // place.cpus, gpus // place.gpus if place.gpus else cpus))
    if fit < 1:
        raise WorkerError(
            "Ray",
            got=f"a cluster of {cpus:g} CPUs and {gpus:g} GPUs",
            expected=f"room for a worker of {place.cpus} CPUs and {place.gpus:g} GPUs",
            remedy="set DISTILRANK_CPUS_PER_WORKER and DISTILRANK_GPUS_PER_WORKER to what it has",
        )
    return fit

"""A connection to a Ray cluster, and the room on it."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from distilrank.errors import WorkerError
from distilrank.workers.work import Workplace

# Seconds without a worker before the user is told that the cluster has no room yet.
PATIENCE = 30.0


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connects to the cluster at `address`; `local` starts a cluster here, which ends with the block."""
    import ray

    _connect(address)
    try:
        yield
    finally:
        ray.shutdown()  # this also ends this driver's actors


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
            # A cluster that starts here needs no dashboard. On another cluster this driver cannot set it.
            include_dashboard=False if address == "local" else None,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise WorkerError(
            "DISTILRANK_RAY_ADDRESS",
            got=f"'{address}' ({error})",
            expected="the address of a Ray cluster, such as 10.0.0.1:6379, auto or local",
            remedy="start one with `ray start --head`, or unset the variable",
        ) from error


def room_for(place: Workplace) -> int:
    """The number of workers: as many as were asked for, or else as many as fit. Raises WorkerError if they do not."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]  # untyped in Ray
    cpus, gpus = (sum(node.get(kind, 0.0) for node in nodes) for kind in ("CPU", "GPU"))
    fit = sum(_fit(node, place) for node in nodes)
    if fit < (place.count or 1):
        raise WorkerError(
            "Ray",
            got=f"a cluster of {cpus:g} CPUs and {gpus:g} GPUs on {len(nodes)} machines",
            expected=f"room for {place.count or 1} workers of {place.cpus} CPUs and {place.gpus:g} GPUs each",
            remedy="set DISTILRANK_WORKERS, DISTILRANK_CPUS_PER_WORKER and DISTILRANK_GPUS_PER_WORKER to what it has",
        )
    return place.count or fit


def _fit(node: dict[str, float], place: Workplace) -> int:
    by_cpus = node.get("CPU", 0.0) // place.cpus
    return int(min(by_cpus, node.get("GPU", 0.0) // place.gpus) if place.gpus else by_cpus)


def tell_of_wait() -> None:
    print("distilrank: waiting for room on the Ray cluster", file=sys.stderr, flush=True)

"""What workers do, and where: the environment says, so that nothing of it changes a hash.

DISTILRANK_WORKERS is their number: of processes here (1, which is this process, unless set), or on Ray (all that fit).
DISTILRANK_RAY_ADDRESS sends them to a Ray cluster; `local` starts one here. There, each worker asks for
DISTILRANK_CPUS_PER_WORKER (1) and DISTILRANK_GPUS_PER_WORKER (0).
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from distilrank.errors import WorkerError

Part = TypeVar("Part")
Result = TypeVar("Result")
# Takes parts, which it asks for as workers become free, and gives their results as they come, in any order.
Each = Callable[[Iterable[Part]], Iterator[Result]]

# How often one worker, or one pool of processes, may be lost and begun again.
LOSSES = 3


@dataclass(frozen=True)
class Work(Generic[Part, Result]):
    """`begin` reads `directory`, once a worker, and gives what is done to each part.

    It is a function of a module. The files of the directory travel to wherever the worker is; so do parts and results.
    """

    begin: Callable[[Path], Callable[[Part], Result]]
    directory: Path


def workers(work: Work[Part, Result]) -> AbstractContextManager[Each[Part, Result]]:
    """Workers as the environment says. A part whose worker is lost is done again, by another.

    Raises WorkerError where that cannot be, or workers are lost again and again.
    """
    if address := os.environ.get("DISTILRANK_RAY_ADDRESS"):
        from distilrank.workers.on_ray import on_ray

        return on_ray(work, address)
    from distilrank.workers.local import in_processes, in_this_process

    count = int(number("DISTILRANK_WORKERS", 1))
    return in_processes(work, count) if count > 1 else in_this_process(work)


def number(variable: str, default: float, least: float = 1) -> float:
    """A number from the environment. Raises WorkerError."""
    given: Any = os.environ.get(variable) or default
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if value < least or (variable != "DISTILRANK_GPUS_PER_WORKER" and value % 1):
        raise WorkerError(variable, got=f"'{given}'", expected=f"a number from {least:g} on", remedy="set it so")
    return value

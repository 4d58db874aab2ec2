"""What workers do, and where they are. The environment sets the place, so it changes no hash.

DISTILRANK_WORKERS is their number: by default 1 here, which is this process, and as many as fit on Ray.
DISTILRANK_RAY_ADDRESS sends them to a Ray cluster, and also each training, which is one worker; `local` starts a
cluster here. On Ray, each worker asks for DISTILRANK_CPUS_PER_WORKER (1) and DISTILRANK_GPUS_PER_WORKER (0).
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Generic, Self, TypeVar

from distilrank.errors import WorkerError, to_install

Part = TypeVar("Part")
Result = TypeVar("Result")
# Maps parts to results. It draws parts as workers become free, and yields results in the order in which they are done.
Each = Callable[[Iterable[Part]], Iterator[Result]]

# How often workers may be lost and restarted without a part done in between.
MOST_LOST = 3


@dataclass(frozen=True)
class Work(Generic[Part, Result]):
    """Work in parts. Each worker calls `begin` once with `directory`; it returns the function that does a part.

    `begin` must be a module's function, so that it can be pickled. The directory's files, the parts and the results
    travel between machines.
    """

    begin: Callable[[Path], Callable[[Part], Result]]
    directory: Path


@dataclass(frozen=True)
class Workplace:
    """Where workers are: at a Ray cluster's address, or here.

    `count` is their number, None for the default. `cpus` and `gpus` are what each asks of Ray.
    """

    ray_address: str | None
    count: int | None
    cpus: int
    gpus: float

    @classmethod
    def chosen(cls) -> Self:
        """The workplace that the environment sets. Raises WorkerError for a bad number, or if Ray is not installed."""
        address = os.environ.get("DISTILRANK_RAY_ADDRESS") or None
        if address and not find_spec("ray"):
            raise WorkerError(
                "DISTILRANK_RAY_ADDRESS",
                got=f"'{address}', without Ray installed",
                expected="the extra `ray`",
                remedy=f"{to_install('ray')}, or unset the variable",
            )
        count = number_of("DISTILRANK_WORKERS")
        return cls(
            address,
            None if count is None else int(count),
            int(number_of("DISTILRANK_CPUS_PER_WORKER") or 1),
            number_of("DISTILRANK_GPUS_PER_WORKER", whole=False) or 0.0,
        )


def number_of(variable: str, whole: bool = True) -> float | None:
    """A variable of the environment, or None if it is not set. Raises WorkerError unless it is a number above 0."""
    given = os.environ.get(variable)
    if not given:
        return None
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf") or (whole and value % 1):
        expected = "a whole number above 0" if whole else "a number above 0"
        raise WorkerError(variable, got=f"'{given}'", expected=expected, remedy="correct it, or unset it")
    return value

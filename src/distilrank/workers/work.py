"""What workers do, and where: the environment says, so that nothing of it changes a hash.

DISTILRANK_WORKERS is their number: of processes here (1, which is this process, unless set), or on Ray (all that fit).
DISTILRANK_RAY_ADDRESS sends them to a Ray cluster, and each training, which is one worker; `local` starts a cluster
here. There, each worker asks for DISTILRANK_CPUS_PER_WORKER (1) and DISTILRANK_GPUS_PER_WORKER (0).
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Generic, Self, TypeVar

from distilrank.errors import WorkerError

Part = TypeVar("Part")
Result = TypeVar("Result")
# Takes parts, which it asks for as workers become free, and gives their results as they come, in any order.
Each = Callable[[Iterable[Part]], Iterator[Result]]

# How often workers may be lost, and begun again, without a part done in between.
MOST_LOST = 3


@dataclass(frozen=True)
class Work(Generic[Part, Result]):
    """`begin` reads `directory`, once a worker, and gives what is done to each part.

    It is a function of a module. The files of the directory travel to wherever the worker is; so do parts and results.
    """

    begin: Callable[[Path], Callable[[Part], Result]]
    directory: Path


@dataclass(frozen=True)
class Workplace:
    """Where workers are: at a Ray cluster's address, or here; how many, or as many as fit; what each takes of Ray's."""

    ray_address: str | None
    count: int | None
    cpus: int
    gpus: float

    @classmethod
    def chosen(cls) -> Self:
        """As the environment says. Raises WorkerError for what is no number, or where Ray is not installed."""
        address = os.environ.get("DISTILRANK_RAY_ADDRESS") or None
        if address and not find_spec("ray"):
            raise WorkerError(
                "DISTILRANK_RAY_ADDRESS",
                got=f"'{address}', without Ray installed",
                expected="the extra `ray`",
                remedy="run uv pip install -c constraints.txt -e '.[ray]', or unset the variable",
            )
        count = number_of("DISTILRANK_WORKERS")
        return cls(
            address,
            None if count is None else int(count),
            int(number_of("DISTILRANK_CPUS_PER_WORKER") or 1),
            number_of("DISTILRANK_GPUS_PER_WORKER", whole=False) or 0.0,
        )


def number_of(variable: str, whole: bool = True) -> float | None:
    """A variable of the environment, if it is set. Raises WorkerError for what is no number above 0."""
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

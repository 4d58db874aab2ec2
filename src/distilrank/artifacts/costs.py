"""What trainings, and builds of indexes, cost in time and energy.

Costs are kept apart from the outputs, which must be the same bytes on each run. A cost is kept under
the digest of the resulting model, so that it is never mistaken for another's.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Self

from distilrank.artifacts.energy import EnergyMeter
from distilrank.artifacts.files import read_json, write_json
from distilrank.artifacts.manifest import digest

COSTS = Path(".store/costs")


@dataclass(frozen=True)
class Cost:
    """Seconds of a training, including runs that were cut short, and joules where the machine measures them."""

    seconds: float
    joules: float | None = None

    @classmethod
    def of(cls, model: Path) -> Self | None:
        """The cost of a model. None where nobody measured it: the model came from another machine, or from
        elsewhere."""
        file = COSTS / f"{digest(model)}.json"
        return cls(**read_json(file)) if file.is_file() else None

    def keep(self, model: Path) -> None:
        """Keeps it as the cost of a finished model."""
        COSTS.mkdir(parents=True, exist_ok=True)
        write_json(COSTS / f"{digest(model)}.json", asdict(self))


class Meter:
    """Measures a training. Continues from what the work directory remembers of a training that was killed."""

    def __init__(self, work: Path) -> None:
        self._file = work / "cost.json"
        self._before = Cost(**read_json(self._file)) if self._file.is_file() else Cost(0.0, 0.0)
        self._began, self._energy = time.monotonic(), EnergyMeter()

    @contextmanager
    def remembering(self, seconds: float = 10.0) -> Iterator[None]:
        """Remembers the cost again and again during the block, so that a kill loses no more than these seconds of
        it."""
        ended = Event()

        def remember() -> None:
            while not ended.wait(seconds):
                self.remember()

        thread = Thread(target=remember, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def remember(self) -> None:
        """Writes the cost so far to the work directory."""
        write_json(self._file, asdict(self.read()))

    def read(self) -> Cost:
        """The cost so far."""
        joules, before = self._energy.joules(), self._before.joules
        told = None if joules is None or before is None else round(before + joules, 3)
        return Cost(round(self._before.seconds + time.monotonic() - self._began, 3), told)

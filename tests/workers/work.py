"""Work that workers in other processes find by its name."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from distilrank.errors import ScoreError


def begin_doubling(directory: Path) -> Callable[[int], tuple[int, int]]:
    """Doubles numbers, and says which process did; dies on the number in the file `dies`, as often as it says."""
    if (directory / "unusable").is_file():
        raise ScoreError("work", got="nothing usable", expected="something", remedy="bring some")
    told = directory / "dies"

    def double(number: int) -> tuple[int, int]:
        if number == 13:
            raise ScoreError("number", got=13, expected="another number", remedy="leave it out")
        if told.is_file():
            fatal, times = map(int, told.read_text().split())
            deaths = Path(os.environ["DEATHS"])
            if number == fatal and len(list(deaths.iterdir())) < times:
                (deaths / str(os.getpid())).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return 2 * number, os.getpid()

    return double

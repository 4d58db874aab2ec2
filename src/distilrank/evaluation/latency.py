"""Time a query: from its text to the scores of its candidates, with all that can be computed beforehand computed."""

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

# Queries answered before the clock counts: the first ones pay for warming up.
_WARM_UP = 3
# By how much of the faster one's time two models may differ that should take the same.
_UNEVEN = 0.5


def milliseconds(answer: Callable[[int], object], queries: int) -> dict[str, float]:
    """Median and 90th percentile of the milliseconds that `answer(i)` takes for query i."""
    for number in range(min(_WARM_UP, queries)):
        answer(number)
    times = [_timed(answer, number) for number in range(queries)]
    return {"median": _rounded(times, 50), "p90": _rounded(times, 90)}


def uneven_times(times: Mapping[str, Mapping[str, float]], alike: Iterable[Iterable[str]]) -> list[dict[str, float]]:
    """Of each group of models that are built alike, the median times by model if they differ by more than half.

    `times` is as `milliseconds` gives them, by model. Other work on the machine makes such a difference.
    """
    groups = [{model: times[model]["median"] for model in group if model in times} for group in alike]
    return [group for group in groups if group and max(group.values()) > (1 + _UNEVEN) * min(group.values())]


def machine() -> str:
    """The processor and its number of cores, to say with every figure."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def _timed(answer: Callable[[int], object], number: int) -> float:
    start = time.perf_counter()
    answer(number)
    return (time.perf_counter() - start) * 1000


def _rounded(times: Sequence[float], percentile: int) -> float:
    return round(float(np.percentile(times, percentile)), 3)

"""Time a query: from its text to its scores or hits, alone or among others, and whether the times can be believed.

Imports nothing of the package, because the registry's clean process, which may import none of it, runs this file.
"""

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

# How a request was asked: alone, or with those of other clients at once; or alone, with its passages encoded before.
SINGLE, CONCURRENT, BEFOREHAND = "single", "concurrent", "encoded beforehand"
# The parts of a search, of which reads are a part of re-ranking too.
FIRST_STAGE, READS, RERANKING, WHOLE = "first stage", "store reads", "re-ranking", "end to end"
# What one asks for who searches.
TOP_K = 10
# Queries answered before the clock counts: the first ones pay for warming up.
_WARM_UP = 3
# By how much of the faster one's time two models may differ that should take the same.
_UNEVEN = 0.5
Times = dict[str, float]


def milliseconds(answer: Callable[[int], object], queries: int, clients: int = 1) -> Times:
    """Median and 90th percentile of the milliseconds that `answer(i)` takes for query i.

    Each client is a thread, and asks its next query when its last one is answered.
    """

    def timed(number: int) -> float:
        start = time.perf_counter()
        answer(number)
        return (time.perf_counter() - start) * 1000

    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(answer, (number % queries for number in range(max(_WARM_UP, clients)))))
        times = list(threads.map(timed, range(queries)))
    return {"median": round(float(np.median(times)), 3), "p90": round(float(np.percentile(times, 90)), 3)}


def percentiles(milliseconds: Sequence[float]) -> Times:
    """The median, and the times below which 95 and 99 of a hundred queries are."""
    return {f"p{share}": round(float(np.percentile(milliseconds, share)), 3) for share in (50, 95, 99)}


def served(answer: Callable[[int], object], queries: int, clients: int) -> dict[str, Times]:
    """The times of one client, and of several at once."""
    return {SINGLE: milliseconds(answer, queries), CONCURRENT: milliseconds(answer, queries, clients)}


def uneven_times(times: Mapping[str, float], alike: Iterable[Iterable[str]]) -> list[dict[str, float]]:
    """Of each group of models that are built alike, the times by model if they differ by more than half.

    Other work on the machine makes such a difference.
    """
    groups = [{model: times[model] for model in group if model in times} for group in alike]
    return [group for group in groups if group and max(group.values()) > (1 + _UNEVEN) * min(group.values())]


def machine() -> str:
    """The processor and its number of cores, to say with every figure."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"

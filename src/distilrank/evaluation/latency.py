"""The time of a query from its text to its scores or hits, alone or among others, and whether to trust the times.

This file imports nothing of the package, because the registry's clean process runs it and may import none of it.
"""

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

# How a request was timed: alone, with other clients at the same time, or alone with its passages encoded beforehand.
SINGLE, CONCURRENT, BEFOREHAND = "single", "concurrent", "encoded beforehand"
# The parts of a search. The store reads are also part of the re-ranking.
FIRST_STAGE, READS, RERANKING, WHOLE = "first stage", "store reads", "re-ranking", "end to end"
# The hits that a search asks for.
TOP_K = 10
# The first queries are slower, so these are not timed.
_WARM_UP = 3
# Two models that should take the same time may differ by this share of the faster one's.
_UNEVEN = 0.5
Times = dict[str, float]


def milliseconds(answer: Callable[[int], object], queries: int, clients: int = 1) -> Times:
    """The median and 90th percentile of the milliseconds that `answer(i)` takes for query i.

    Each client is a thread, and sends its next query once its last one is answered.
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
    """The 50th, 95th and 99th percentiles."""
    return {f"p{share}": round(float(np.percentile(milliseconds, share)), 3) for share in (50, 95, 99)}


def served(answer: Callable[[int], object], queries: int, clients: int) -> dict[str, Times]:
    """The times of one client, and of several at once."""
    return {SINGLE: milliseconds(answer, queries), CONCURRENT: milliseconds(answer, queries, clients)}


def uneven_times(times: Mapping[str, float], alike: Iterable[Iterable[str]]) -> list[dict[str, float]]:
    """The times by model of each group of models built alike, if they differ by more than half.

    Such a difference comes from other work on the machine.
    """
    groups = [{model: times[model] for model in group if model in times} for group in alike]
    return [group for group in groups if group and max(group.values()) > (1 + _UNEVEN) * min(group.values())]


def machine() -> str:
    """The processor and its number of cores, which every figure is shown with."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"

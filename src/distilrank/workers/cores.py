"""How many cores there are, and how many threads share them. The environment sets this, so it changes no hash.

DISTILRANK_STAGES_AT_ONCE is how many stages run at once, each with cores of its own. OMP_NUM_THREADS, if set, is the
number of threads of every process.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from distilrank.workers.work import number_of

STAGES_AT_ONCE = "DISTILRANK_STAGES_AT_ONCE"
THREADS = "OMP_NUM_THREADS"
# The default limit: two stages fill the cores better than one, and each further one takes threads from a training.
_MOST_AT_ONCE = 2


def usable_cores(root: Path = Path("/")) -> int:
    """How many cores this process may use, by its affinity and the quotas of its control groups."""
    return max(1, int(min([len(os.sched_getaffinity(0)), *_quotas(root)])))


def stages_at_once(cards: int = 0) -> int:
    """How many stages run at once: DISTILRANK_STAGES_AT_ONCE if set, or else by cores and cards.

    Raises WorkerError if the variable is not a number.
    """
    given = number_of(STAGES_AT_ONCE)
    return max(cards, min(usable_cores(), _MOST_AT_ONCE)) if given is None else int(given)


def threads() -> int:
    """How many threads a process uses that has all cores to itself."""
    return chosen_threads() or usable_cores()


def threads_of_a_training() -> int:
    """How many threads a training uses, whatever runs beside it: its sums depend on their number."""
    return chosen_threads() or max(1, usable_cores() // stages_at_once())


def chosen_threads() -> int | None:
    """The number in OMP_NUM_THREADS, or the first of a list such as 4,2; None if there is none."""
    chosen = os.environ.get(THREADS, "").partition(",")[0].strip()
    return int(chosen) if chosen.isdecimal() and int(chosen) else None


def _quotas(root: Path) -> Iterator[float]:
    """The quotas, in cores, of this process's control groups and of their parents."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        group = Path(path.lstrip("/"))
        for folder in (group, *group.parents):
            if not controllers:  # version 2
                yield from _quota(*_text(root / "sys/fs/cgroup" / folder / "cpu.max").split())
            elif "cpu" in controllers.split(","):
                here = root / "sys/fs/cgroup" / controllers / folder
                yield from _quota(_text(here / "cpu.cfs_quota_us"), _text(here / "cpu.cfs_period_us"))


def _quota(*times: str) -> Iterator[float]:
    """Cores from the microseconds of work and of the period. `max` or -1 means no limit."""
    with suppress(ValueError):
        quota, period = map(int, times)
        if quota > 0 < period:
            yield quota / period


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""

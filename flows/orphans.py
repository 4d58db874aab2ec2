"""Processes that a killed run left at work in this working tree.

A run ends what it started, even if it is killed, unless the processes that see to this are killed with it.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from distilrank.artifacts.locks import taken
from distilrank.artifacts.work import WORK
from distilrank.workers.leash import GRACE

# The variable with the process id of the run, in the environment of all that it starts.
RUN_BY = "DISTILRANK_RUN_BY"


def mark() -> dict[str, str]:
    """The environment that marks a process, and all that it starts, as this run's."""
    return {RUN_BY: str(os.getpid())}


def end_orphans(tell: Callable[[str], object]) -> None:
    """Ends processes that dead runs of this working tree have left. The next run goes on from what they stored."""
    orphans = list(_orphans())
    if orphans:
        tell(f"ending what a run that was killed left at work: processes {', '.join(str(one.pid) for one in orphans)}")
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for orphan in orphans:
            with suppress(psutil.NoSuchProcess):
                end(orphan)
        orphans = psutil.wait_procs(orphans, timeout=GRACE)[1]


def _orphans() -> Iterator[psutil.Process]:
    here = str(Path.cwd())
    for process in psutil.process_iter():
        try:
            run = process.environ().get(RUN_BY)
            if run and process.cwd() == here and _is_gone(int(run)):
                yield process
        except psutil.Error:
            pass  # it has ended, or is another user's


def _is_gone(run: int) -> bool:
    try:
        return bool(psutil.Process(run).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def wait_for_trainings(tell: Callable[[str], object]) -> None:
    """Waits for trainings that others started, because their locks would stop ours.

    Such a training may be left by a `dvc repro` that was killed.
    """
    for lock in sorted(WORK.glob("models-*.lock")):
        with lock.open() as file:
            told = False
            while not taken(file.fileno(), shared=True):
                if not told:
                    tell(f"waiting for a training that still runs ({file.read()}); end it to go on from its checkpoint")
                told = True
                time.sleep(1)

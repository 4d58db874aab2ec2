"""Progress of long work: a bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int], None]
_SECONDS_BETWEEN_LINES = 15.0


@contextmanager
def progress(what: str, total: int, done: int = 0) -> Iterator[Advance]:
    """Gives a function that is told how much more is done; `done` of `total` was done before."""
    console = Console(stderr=True)
    if done:
        print(f"{what}: going on from {done:,} of {total:,}", flush=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=total, completed=done)
            yield lambda steps: bar.advance(task, steps)
    else:
        yield _Lines(what, total, done).advance


class _Lines:
    def __init__(self, what: str, total: int, done: int) -> None:
        self.what, self.total, self.done = what, total, done
        self.started, self.done_before = time.monotonic(), done
        self.last_line = self.started

    def advance(self, steps: int) -> None:
        self.done += steps
        now = time.monotonic()
        if now - self.last_line >= _SECONDS_BETWEEN_LINES or self.done >= self.total:
            rate = (self.done - self.done_before) / max(now - self.started, 1e-9)
            print(f"{self.what}: {self.done:,} of {self.total:,}, {rate:,.1f} a second", flush=True)
            self.last_line = now

"""Progress of long work: a bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from distilrank.redaction import redacted

Advance = Callable[[int], None]
_SECONDS_BETWEEN_LINES = 15.0


class AdvanceWithNote(Protocol):
    """Is told how much more is done, and, in a few words, whatever else there is to tell."""

    def __call__(self, steps: int, note: str = "") -> None: ...


@contextmanager
def progress(what: str, total: int | None, done: int = 0) -> Iterator[AdvanceWithNote]:
    """Gives a function that is told how much more is done; `done` of `total`, where that is known, was done before."""
    console, what = Console(stderr=True), redacted(what)
    if done:
        print(f"{what}: going on from {done:,}{_of(total)}", flush=True)
    if console.is_terminal:
        columns = ("{task.description}", "{task.fields[rate]}", "{task.fields[note]}")
        bar = Progress(
            TextColumn(columns[0]), BarColumn(), MofNCompleteColumn(), *map(TextColumn, columns[1:]),
            TimeRemainingColumn(), console=console, transient=True,
        )  # fmt: skip
        with bar:
            task = bar.add_task(what, total=total, completed=done, rate="", note="")
            pace = _Pace(done)

            def advance(steps: int, note: str = "") -> None:
                pace.done += steps
                bar.update(task, advance=steps, rate=f"{pace.rate():,.1f}/s", note=note)

            yield advance
    else:
        yield _Lines(what, total, done).advance


class _Pace:
    def __init__(self, done: int) -> None:
        self.done, self._before, self._began = done, done, time.monotonic()

    def rate(self) -> float:
        """What was done per second."""
        return (self.done - self._before) / max(time.monotonic() - self._began, 1e-9)


class _Lines:
    def __init__(self, what: str, total: int | None, done: int) -> None:
        self._what, self._total, self._pace = what, total, _Pace(done)
        self._began = self._last_line = time.monotonic()

    def advance(self, steps: int, note: str = "") -> None:
        self._pace.done += steps
        now, left = time.monotonic(), None if self._total is None else self._total - self._pace.done
        ended = left is not None and left <= 0
        if now - self._last_line >= _SECONDS_BETWEEN_LINES or (ended and now - self._began >= 1):
            rate = self._pace.rate()
            details = [f"{rate:,.1f} per second", note, _duration(left / max(rate, 1e-9)) if left and left > 0 else ""]
            told = ", ".join(detail for detail in details if detail)
            print(f"{self._what}: {self._pace.done:,}{_of(self._total)}, {told}", flush=True)
            self._last_line = now


def _of(total: int | None) -> str:
    return "" if total is None else f" of {total:,}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min left" if minutes >= 60 else f"{minutes} min {rest} s left"

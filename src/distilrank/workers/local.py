"""Workers on this machine: this process, or several."""

import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

from distilrank.errors import WorkerError
from distilrank.workers.cores import THREADS, usable_cores
from distilrank.workers.work import MOST_LOST, Each, Part, Result, Work

# In a worker process: its work and, once it has begun, the function that does a part.
_work: Any = None
_do: Any = None


@contextmanager
def in_this_process(work: Work[Part, Result]) -> Iterator[Each[Part, Result]]:
    """One worker: this process."""
    do = work.begin(work.directory)
    yield lambda parts: map(do, parts)


@contextmanager
def in_processes(work: Work[Part, Result], count: int) -> Iterator[Each[Part, Result]]:
    """Several processes that share the cores and end with this one."""
    # A process reads the variable when it loads its libraries, after its start: so it stays set in the block.
    threads = os.environ.get(THREADS)
    os.environ[THREADS] = threads or str(max(1, usable_cores() // count))
    processes = _Processes(work, count)
    try:
        yield processes.each
    finally:
        processes.end()
        if threads is None:
            del os.environ[THREADS]


class _Processes:
    def __init__(self, work: Work[Any, Any], count: int) -> None:
        self._work, self._count, self._losses = work, count, 0
        self._pool = self._begin_pool()

    def each(self, parts: Iterable[Part]) -> Iterator[Any]:
        source, waiting = iter(parts), list[Part]()
        running: dict[Future[Any], Part] = {}
        while True:
            # Two parts per process: one to work on, and the next one so that it need not wait.
            waiting += islice(source, max(0, 2 * self._count - len(running) - len(waiting)))
            try:
                while waiting:
                    running[self._pool.submit(_do_part, waiting[-1])] = waiting[-1]
                    waiting.pop()
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                results = {future: future.result() for future in done}
            except BrokenProcessPool:
                # The loss of one process breaks the whole pool. Any of the calls above may raise this.
                waiting += running.values()
                running = {}
                self._begin_again()
                continue
            self._losses = 0
            for future, result in results.items():
                del running[future]
                yield result

    def end(self) -> None:
        # A pool that shuts down forgets its processes, and they would finish their parts first.
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()

    def _begin_pool(self) -> ProcessPoolExecutor:
        context = get_context("spawn")
        numbers = context.SimpleQueue()
        for number in range(self._count):
            numbers.put(number)
        return ProcessPoolExecutor(self._count, context, _begin, (self._work, numbers))

    def _begin_again(self) -> None:
        self._losses += 1
        if self._losses > MOST_LOST:
            raise WorkerError(
                "worker processes",
                got=f"{self._losses} lost workers and no part that was finished in between",
                expected="workers that stay alive",
                remedy="lower DISTILRANK_WORKERS to give each more memory, then run it again: finished parts are kept",
            )
        self.end()
        self._pool = self._begin_pool()


def _begin(work: Work[Any, Any], numbers: Any) -> None:
    global _work  # noqa: PLW0603  # a process of the pool knows nothing but its module
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    Thread(target=_end_with_parent, daemon=True).start()
    os.environ["DISTILRANK_WORKER"] = str(numbers.get())
    _work = work


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _do_part(part: Any) -> Any:
    global _do  # noqa: PLW0603
    # Not in _begin: the pool would take an error there for the loss of the process.
    _do = _do or _work.begin(_work.directory)
    return _do(part)

"""Workers on this machine: every part once, whatever becomes of a process, and no process left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.workers.work import begin_doubling

from distilrank.errors import ScoreError, WorkerError
from distilrank.workers.pool import workers
from distilrank.workers.work import Each, Work, Workplace

PARTS = [number for number in range(40) if number != 13]


@pytest.fixture
def deaths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where processes that die leave a note."""
    directory = tmp_path / "deaths"
    directory.mkdir()
    monkeypatch.setenv("DEATHS", str(directory))
    monkeypatch.setenv("DISTILRANK_WORKERS", "2")
    return directory


def work(tmp_path: Path, fatal: str = "") -> Work[int, tuple[int, int]]:
    directory = tmp_path / "work"
    directory.mkdir()
    if fatal:
        (directory / "dies").write_text(fatal)
    return Work(begin_doubling, directory)


def doubled(each: Each[int, tuple[int, int]]) -> list[int]:
    return sorted(value for value, _ in each(PARTS))


def test_one_worker_is_this_process(tmp_path: Path) -> None:
    with workers(work(tmp_path), Workplace.chosen()) as each:
        assert {process for _, process in each(PARTS)} == {os.getpid()}


def test_processes_share_the_parts(deaths: Path, tmp_path: Path) -> None:
    with workers(work(tmp_path), Workplace.chosen()) as each:
        results = list(each(PARTS))
    assert sorted(value for value, _ in results) == [2 * part for part in PARTS]
    assert os.getpid() not in {process for _, process in results}


def test_parts_are_asked_for_as_workers_become_free(deaths: Path, tmp_path: Path) -> None:
    asked: list[int] = []

    def parts() -> Iterator[int]:
        for part in PARTS:
            asked.append(part)
            yield part

    with workers(work(tmp_path), Workplace.chosen()) as each:
        next(iter(each(parts())))
    assert len(asked) < 10


def test_the_part_of_a_lost_process_is_done_again(deaths: Path, tmp_path: Path) -> None:
    with workers(work(tmp_path, fatal="5 2"), Workplace.chosen()) as each:
        assert doubled(each) == [2 * part for part in PARTS]
    assert len(list(deaths.iterdir())) == 2


def test_processes_that_are_lost_again_and_again_are_an_error(deaths: Path, tmp_path: Path) -> None:
    with (
        workers(work(tmp_path, fatal="5 99"), Workplace.chosen()) as each,
        pytest.raises(WorkerError, match="4 lost workers and no part that was finished in between"),
    ):
        doubled(each)


def test_a_refusal_comes_back_as_it_was_raised(deaths: Path, tmp_path: Path) -> None:
    with (
        workers(work(tmp_path), Workplace.chosen()) as each,
        pytest.raises(ScoreError, match=r"^number: got 13, expected another number"),
    ):
        list(each([13]))


def test_what_cannot_begin_is_told_as_here(deaths: Path, tmp_path: Path) -> None:
    unusable = work(tmp_path)
    (unusable.directory / "unusable").touch()
    with workers(unusable, Workplace.chosen()) as each, pytest.raises(ScoreError, match="work: got nothing usable"):
        list(each(PARTS))


def test_workers_do_not_outlive_the_block(deaths: Path, tmp_path: Path) -> None:
    with workers(work(tmp_path), Workplace.chosen()) as each:
        processes = {Path("/proc") / str(process) for _, process in each(PARTS)}
    wait_until(lambda: not any(process.exists() for process in processes))


@pytest.mark.parametrize("value", ["none", "0", "-1", "1.5"])
def test_a_number_that_is_none_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILRANK_WORKERS", value)
    with pytest.raises(WorkerError, match=f"DISTILRANK_WORKERS: got '{value}', expected a whole number above 0"):
        Workplace.chosen()


def test_workers_end_with_a_process_that_is_killed(deaths: Path, tmp_path: Path) -> None:
    work(tmp_path)
    script = (
        "import time; from pathlib import Path; from distilrank.workers.pool import *;"
        "from tests.workers.work import begin_doubling\n"
        "if __name__ == '__main__':\n"
        f" with workers(Work(begin_doubling, Path({str(tmp_path / 'work')!r})), Workplace.chosen()) as each:\n"
        "  print(*{pid for _, pid in each(range(12))}, flush=True); time.sleep(60)\n"
    )
    file = tmp_path / "script.py"
    file.write_text(script)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, file], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        children = [Path("/proc") / pid for pid in process.stdout.readline().split()]
        assert children and all(child.exists() for child in children)
        process.kill()
    wait_until(lambda: not any(child.exists() for child in children))


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)

"""What a killed run left at work: its own processes are ended, trainings of others are waited for."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flows.orphans import RUN_BY, end_orphans, wait_for_trainings
from tests.servers import wait_for

from distilrank.artifacts.locks import alone_with

pytestmark = pytest.mark.slow(20)

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a stage of a run, by the run's number, in the working directory or another."""
    monkeypatch.chdir(tmp_path)
    started: list[subprocess.Popen[bytes]] = []

    def stage(run: int, directory: Path = tmp_path, ignoring: str = "") -> "subprocess.Popen[bytes]":
        command = ["bash", "-c", f"trap '{ignoring}' TERM; echo begun; while true; do sleep 0.1; done"]
        environment = os.environ | {RUN_BY: str(run)}
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        return process

    yield stage
    for process in started:
        process.kill()
        process.communicate()


def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_what_a_killed_run_left_is_ended(start: Start) -> None:
    orphan, stubborn = start(gone()), start(gone(), ignoring=":")
    told: list[str] = []
    end_orphans(told.append)
    assert None not in (orphan.wait(timeout=1), stubborn.wait(timeout=1))
    assert len(told) == 1
    assert str(orphan.pid) in told[0]


def test_stages_of_living_runs_and_of_other_trees_are_not(
    start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    others = [start(os.getpid()), start(gone(), directory=tmp_path_factory.mktemp("other"))]
    told: list[str] = []
    end_orphans(told.append)
    assert [other.poll() for other in others] == [None, None]
    assert told == []


def test_a_training_that_others_began_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wait_for_trainings(print)
    told: list[str] = []
    waiting = threading.Thread(target=wait_for_trainings, args=[told.append])
    with alone_with(Path("models/T1")):
        waiting.start()
        wait_for(lambda: told, bool)
        assert waiting.is_alive()
    waiting.join(timeout=10)
    assert not waiting.is_alive()
    assert len(told) == 1
    assert told[0].startswith(f"waiting for a training that still runs (process {os.getpid()} on ")

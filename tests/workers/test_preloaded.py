"""Commands that are forks of a process with the slow libraries end, print and fail as if they had imported these."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.conftest import Command

from distilrank.workers.leash import Leash
from distilrank.workers.preloaded import PRELOADED, preloaded

pytestmark = pytest.mark.slow(60)

TEACH = ("distilrank", "teach", "T1")


@pytest.fixture(scope="module")
def ready(plain_environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of commands whose preloaded process listens."""
    with Leash() as leash, preloaded(leash, plain_environment) as variables:
        until(socket_of(variables).exists)
        yield plain_environment | variables


def socket_of(environment: dict[str, str]) -> Path:
    return Path(environment[PRELOADED].rpartition(":")[2])


def serving(environment: dict[str, str]) -> list[psutil.Process]:
    """The preloaded process and then, for each command that it serves, a keeper and a fork."""
    address = str(socket_of(environment))
    # A supervisor has these words too, after its own.
    named = [one for one in psutil.process_iter() if (said := words(one))[-1:] == [address] and said[1] == "-P"]
    return sorted(named, key=lambda one: one.pid)


def words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def started(directory: Path, environment: dict[str, str], *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command, cwd=directory, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_training_writes_the_same_bytes_and_prints_the_same(
    prepared: Path, run_here: Command, ready: dict[str, str], tmp_path: Path
) -> None:
    for name in ("alone", "forked"):
        shutil.copytree(prepared, tmp_path / name)
    alone = run_here(tmp_path / "alone", *TEACH)
    out, err = started(tmp_path / "forked", ready, *TEACH).communicate(timeout=300)
    assert alone.returncode == 0, alone.stderr
    weights = [tmp_path / name / "models" / "T1" / "model.safetensors" for name in ("alone", "forked")]
    assert weights[0].read_bytes() == weights[1].read_bytes(), err
    speed = re.compile(r"[\d.]+ per second")
    assert speed.sub("", out) == speed.sub("", alone.stdout)


def test_a_fork_has_the_words_folder_variables_and_files_of_the_command(project: Path, ready: dict[str, str]) -> None:
    process = started(project, ready | {"DISTILRANK_LAUNCHER": "no-such-launcher"}, *TEACH)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 2
    assert out == ""
    assert err.startswith("distilrank: DISTILRANK_LAUNCHER: got 'no-such-launcher'")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_fork_and_the_command_ends_as_the_fork_did(
    number: signal.Signals, project: Path, plain_environment: dict[str, str], ready: dict[str, str]
) -> None:
    ends = []
    for variables in (ready, plain_environment):
        process = started(project, variables, "distilrank", "teach", "T1")
        until_it_trains(project)
        process.send_signal(number)
        process.communicate(timeout=300)
        ends.append(process.returncode)
        shutil.rmtree(project / ".work")
    assert ends[0] == ends[1] != 0
    until(lambda: len(serving(ready)) == 1)


def test_a_killed_command_takes_its_fork_along(project: Path, ready: dict[str, str]) -> None:
    process = started(project, ready, *TEACH)
    until_it_trains(project)
    assert len(serving(ready)) == 3
    process.kill()
    process.communicate(timeout=300)
    until(lambda: len(serving(ready)) == 1)


def test_a_command_goes_on_without_the_process_that_it_came_from(
    project: Path, plain_environment: dict[str, str]
) -> None:
    """And ends by a signal as before, at once, with the output that a flow reads to its end."""
    with Leash() as leash, preloaded(leash, plain_environment) as variables:
        until(socket_of(variables).exists)
        process = started(project, plain_environment | variables, *TEACH)
        until_it_trains(project)
    assert len(serving(variables)) == 2
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode != 0
    until(lambda: serving(variables) == [])


def test_a_command_of_other_settings_imports_for_itself(project: Path, ready: dict[str, str]) -> None:
    process = started(project, ready | {"HF_HOME": str(project)}, *TEACH)
    until_it_trains(project)
    assert len(serving(ready)) == 1
    process.kill()
    process.communicate(timeout=300)


def until_it_trains(project: Path) -> None:
    until(lambda: any(project.glob(".work/train-*")))


def until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("value", ["", "/elsewhere:{socket}", "{prefix}:/no/such/socket"])
def test_without_such_a_process_a_command_imports_for_itself(value: str, project: Path, ready: dict[str, str]) -> None:
    named = value.format(socket=socket_of(ready), prefix=sys.prefix)
    process = started(project, ready | {PRELOADED: named}, "distilrank", "teach", "NONE")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "got no entry 'NONE'" in err


def test_the_process_has_no_threads_that_forks_would_lack(ready: dict[str, str]) -> None:
    """Polars and pyarrow start threads when they are imported; a fork has none of them, and would wait for ever."""
    (server,) = serving(ready)
    mapped = {Path(region.path).name for region in server.memory_maps()}
    assert any(name.startswith("libtorch") for name in mapped)
    assert not [name for name in mapped if "polars" in name or "arrow" in name]

"""Commands on a node of a real Ray cluster: a training is as it would be here, whatever becomes of its worker."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import psutil
import pytest
import torch
from tests.conftest import Command as RunHere

from distilrank.cli.main import main
from distilrank.errors import WorkerError
from distilrank.workers.command_on_ray import Command, _Node, run_on_ray
from distilrank.workers.work import MOST_LOST, Workplace

pytestmark = pytest.mark.slow(40)

pytest.importorskip("ray")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working tree, and the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(script: str, reached: Callable[[], object] = lambda: None) -> int:
    return run_on_ray(["-c", script], Workplace.chosen(), reached)


def wait_until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def when(true: Callable[[], object], act: Callable[[], object]) -> Thread:
    """Acts once it is true, while the command is waited for."""

    def watch() -> None:
        wait_until(true)
        act()

    thread = Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_a_command_sees_its_tree_and_settings_and_is_seen(
    tree: Path, cluster: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker")
    script = (
        "import os, sys; from pathlib import Path\n"
        "print(Path.cwd(), os.environ['MLFLOW_TRACKING_URI'], os.environ.get('DISTILRANK_RAY_ADDRESS'))\n"
        "print('distilrank: a mistake', file=sys.stderr); sys.exit(2)\n"
    )
    assert run(script) == 2
    out, err = capfd.readouterr()
    assert out == f"{tree} http://tracker None\n"
    assert err.splitlines()[-1] == "distilrank: a mistake"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_reaches_the_command(
    number: signal.Signals, tree: Path, cluster: str, capfd: pytest.CaptureFixture[str]
) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "try: Path('begun').touch(); time.sleep(60)\n"
        "except KeyboardInterrupt: print('goes on from step 3'); sys.exit(130)\n"
    )
    when((tree / "begun").exists, lambda: os.kill(os.getpid(), number))
    assert run(script) == 130
    assert capfd.readouterr().out == "goes on from step 3\n"


# What it starts, such as the processes of a launcher, must end with it.
TELLS_PROCESSES_AND_STAYS = (
    "import os, subprocess, sys, time; from pathlib import Path\n"
    "child = subprocess.Popen(['sleep', '60'])\n"
    "Path('new').write_text(f'{os.getpid()} {child.pid}'); Path('new').rename('processes')\n"
    "time.sleep(60)\n"
)


def test_a_command_ends_with_a_driver_that_is_killed(tree: Path, cluster: str) -> None:
    script = (
        "from distilrank.workers.command_on_ray import *\n"
        f"run_on_ray(['-c', {TELLS_PROCESSES_AND_STAYS!r}], Workplace.chosen(), lambda: None)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as driver:
        wait_until((tree / "processes").exists)
        driver.kill()
    processes = [Path("/proc") / process for process in (tree / "processes").read_text().split()]
    wait_until(lambda: not any(process.exists() for process in processes))


LOSES_ITS_WORKER = "import psutil, time; psutil.Process().parent().parent().kill(); time.sleep(60)"


def test_a_worker_that_is_lost_again_and_again_ends_the_command(
    tree: Path, cluster: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WorkerError, match=f"the loss of a worker, {MOST_LOST + 1} times without a new checkpoint"):
        run(LOSES_ITS_WORKER)
    assert capfd.readouterr().err.count("it begins again") == MOST_LOST


def test_a_node_without_the_working_tree_refuses(tree: Path) -> None:
    node = _Node(Command(["-c", ""], tree, tree / "absent", {}))
    with pytest.raises(WorkerError, match=r"got no such working tree on .*, expected one file system for all nodes"):
        node.start()


def test_a_training_is_as_it_would_be_here_though_its_worker_is_killed(
    project: Path, cluster: str, run_here: RunHere, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["distilrank", "teach", "T1"])
    killing = when(lambda: any(project.glob(".work/train-T1/*/checkpoint-3/whole")), lambda: worker_beside().kill())
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    killing.join()
    assert re.search(r"^training steps: going on from 3 of 6$", capfd.readouterr().out, re.MULTILINE)
    on_ray = bytes_of(project / "models" / "T1")

    shutil.rmtree(project / "models" / "T1")
    with one_thread():
        done = run_here(project, "distilrank", "teach", "T1")
    assert done.returncode == 0, done.stderr
    assert bytes_of(project / "models" / "T1") == on_ray


def worker_beside() -> psutil.Process:
    """The Ray worker beside a command."""
    (found,) = (one for one in psutil.process_iter(["cmdline"]) if "ray::_Node" in "".join(one.info["cmdline"] or ()))
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """As on a node, where the command has one CPU: the order of sums follows from it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def bytes_of(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}

"""`kill -9` at random moments of `dvc repro` and of the flow: all that is made is as if nothing had happened."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML
from tests.flows.project import Project, Server

pytestmark = pytest.mark.slow(200)

Start = Callable[[], "subprocess.Popen[bytes]"]
Way = Callable[[int], None]
KILLS = 8
# Outputs as the real stages write them.
STEP = """
import sys, time
from pathlib import Path
from distilrank.artifacts.manifest import digest
from distilrank.artifacts.directories import whole_directory

output, *inputs = map(Path, sys.argv[1:])
with whole_directory(output, "step", {}, inputs) as draft:
    for number in range(4):
        (draft.path / str(number)).write_text(f"{output} {number} {[digest(one) for one in inputs]}")
        time.sleep(0.05)
"""
GRAPH: dict[str, list[str]] = {
    "one": [],
    "left": ["one"],
    "right": ["one"],
    "both": ["left", "right"],
}


def new_project(directory: Path) -> Project:
    """Each stage has as many dependencies as the real ones have, so that dvc.lock takes as long to write."""
    project = Project(directory, "stages: {}")
    project.write("step.py", STEP)
    project.write(".gitignore", "/made/\n")
    files = [f"file-{number}" for number in range(50)]
    for file in files:
        project.write(file, file)
    stages = {
        stage: {
            "cmd": " ".join(["python", "step.py", f"made/{stage}", *(f"made/{one}" for one in needed)]),
            "deps": ["step.py", *files, *(f"made/{one}" for one in needed)],
            "outs": [f"made/{stage}"],
        }
        for stage, needed in GRAPH.items()
    }
    YAML().dump({"stages": stages}, project.directory / "dvc.yaml")
    return project


def made(project: Project) -> dict[str, object]:
    """What is in every output, and in dvc.lock, whatever its order."""
    files = (file for file in (project.directory / "made").rglob("*") if file.is_file())
    outputs = {str(file.relative_to(project.directory)): file.read_text() for file in files}
    return outputs | {"dvc.lock": YAML(typ="safe", pure=True).load(project.read("dvc.lock"))}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a run makes that nobody interrupts."""
    project = new_project(tmp_path_factory.mktemp("uninterrupted") / "project")
    project.run("dvc", "repro", check=True)
    return made(project)


def kill_at_random(project: Project, start: Start, ways: Sequence[Way]) -> list[int]:
    """Start and kill KILLS times, anew where all was made, and return the exit codes of those that ended before."""
    began = time.monotonic()
    assert start().wait() == 0
    longest = time.monotonic() - began
    start_anew(project)
    chance, kills, ended = random.Random(13), 0, []
    while kills < KILLS:
        process = start()
        try:
            ended.append(process.wait(timeout=chance.uniform(0, longest)))
        except subprocess.TimeoutExpired:
            ways[kills % len(ways)](process.pid)
            process.wait()
            kills += 1
        else:
            if ended[-1] == 0:
                start_anew(project)
            else:
                # What a user of plain `dvc repro` is told to do; it mends whatever it thinks of the params.
                project.run("distilrank", "check")
    return ended


def start_anew(project: Project) -> None:
    for place in ("made", ".dvc/cache", ".work"):
        shutil.rmtree(project.directory / place, ignore_errors=True)
    (project.directory / "dvc.lock").unlink()


def kill_group(process: int) -> None:
    os.killpg(process, signal.SIGKILL)


def kill_alone(process: int) -> None:
    """What it has started goes on."""
    os.kill(process, signal.SIGKILL)


def kill_family(process: int) -> None:
    """The flow and all that it has started."""
    parent = psutil.Process(process)
    end([parent, *parent.children(recursive=True)])


def kill_supervisors(process: int) -> None:
    """The flow, and those that would end its stages: these go on."""
    parent = psutil.Process(process)
    end([parent, *parent.children()])


def kill_a_dvc(process: int) -> None:
    """The stages' DVC under the flow, as a lack of memory would; then the flow."""
    grown = psutil.Process(process).children(recursive=True)
    end([one for one in grown if words(one)[1:3] == ["-m", "flows.run_dvc"]])
    time.sleep(0.5)
    kill_alone(process)


def words(process: psutil.Process) -> list[str]:
    try:
        found: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return found


def end(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def test_dvc_repro_goes_on_after_any_kill(tmp_path: Path, expected: dict[str, object]) -> None:
    project = new_project(tmp_path / "project")
    kill_at_random(project, partial(project.start, "dvc", "repro"), [kill_group, kill_alone])
    project.run("distilrank", "check")
    done = project.run("dvc", "repro")
    assert done.returncode == 0, done.stdout
    assert made(project) == expected


def test_the_flow_goes_on_after_any_kill(tmp_path: Path, expected: dict[str, object], server: Server) -> None:
    project = new_project(tmp_path / "project")
    start = partial(project.start_flow, server.address)
    ways = [kill_alone, kill_family, kill_supervisors, kill_a_dvc]
    # Each run goes on by itself.
    assert set(kill_at_random(project, start, ways)) <= {0}
    done = project.run_flow(server.address)
    assert done.returncode == 0, done.stdout
    assert made(project) == expected

"""A small DVC project, and what a Prefect server knows."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.servers import PLAIN, wait_for

POOL = "distilrank"

# `right` ends before `left`, so that the order of ends is not the order of `dvc repro`.
PIPELINE = """
stages:
  collect:
    cmd: echo ${n} > collection
    params: [n]
    outs: [collection]
  left:
    cmd: date +%s.%N > left.times; sleep 3; date +%s.%N >> left.times; cp collection left
    deps: [collection]
    outs: [left]
  right:
    cmd: date +%s.%N > right.times; printf '10%%\\r100%%\\n'; sleep 1; date +%s.%N >> right.times; cp collection right
    deps: [collection]
    outs: [right]
  distil:
    matrix:
      architecture: [dot]
      teacher: [T1, T2]
    cmd: cp right ${item.architecture}-${item.teacher}
    deps: [right]
    outs: ["${item.architecture}-${item.teacher}"]
  evaluate:
    cmd: >-
      mkdir -p evaluation && cat left dot-T1 >> report &&
      echo '{"rerank": {"bm25": {"nDCG@10": 0.6126}, "dot-T1": {"nDCG@10": 0.7, "AP": 0.5}}}' > evaluation/metrics.json
    deps: [left, right, dot-T1]
    outs: [report, evaluation/metrics.json]
"""

SLEEPING = """
stages:
  train:
    cmd: sh -c 'echo $$ > worker.pid; exec sleep 600'
    outs: [model]
"""


def environment(home: Path, server: str | None) -> dict[str, str]:
    """Return the environment of a user whose shell has this Python's programs on its path."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)])
    given = {"PREFECT_API_URL": server} if server else {}
    return inherited | {"PATH": path, "PYTHONPATH": str(ROOT), "PREFECT_HOME": str(home), **given}


class Project:
    """A git and DVC project with a toy pipeline."""

    def __init__(self, directory: Path, pipeline: str = PIPELINE) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.home = directory.parent / "prefect"
        self.write("dvc.yaml", pipeline)
        self.write("params.yaml", "n: 1\n")
        for command in ("git init -q", "dvc init -q", "dvc config core.analytics false"):
            self.run(*command.split(), check=True)

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text, encoding="utf-8")

    def read(self, name: str) -> str:
        return (self.directory / name).read_text(encoding="utf-8")

    def run(self, *command: str, check: bool = False, server: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            cwd=self.directory,
            env=environment(self.home, server),
            check=check,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run_flow(self, server: str | None = None) -> "subprocess.CompletedProcess[str]":
        return self.run(sys.executable, "-m", "flows.distil", server=server)

    def start(self, *command: str, server: str | None = None) -> "subprocess.Popen[bytes]":
        """Start a command, in a process group of its own."""
        given = environment(self.home, server)
        return subprocess.Popen(command, cwd=self.directory, env=given, start_new_session=True)

    def start_flow(self, server: str | None = None) -> "subprocess.Popen[bytes]":
        return self.start(sys.executable, "-m", "flows.distil", server=server)


class Server:
    """What a Prefect server knows, by its public API."""

    def __init__(self, address: str) -> None:
        self.address = address

    def find(self, kind: str, query: dict[str, Any]) -> list[dict[str, Any]]:
        answer = PLAIN.post(f"{self.address}/{kind}/filter", json=query)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def last_flow_run(self) -> dict[str, Any]:
        return self.find("flow_runs", {"sort": "START_TIME_DESC", "limit": 1})[0]

    def artifacts(self, flow_run: str) -> dict[str, str]:
        """Return what a flow run shows, by its keys."""
        found = self.find("artifacts", {"artifacts": {"flow_run_id": {"any_": [flow_run]}}})
        return {artifact["key"]: artifact["data"] for artifact in found}

    def task_runs(self, flow_run: str) -> list[dict[str, Any]]:
        return self.find("task_runs", {"flow_runs": {"id": {"any_": [flow_run]}}})

    def stage_states(self) -> dict[str, str]:
        """Return the state of each stage in the last flow run; the server learns them a little later than the flow."""
        last = self.last_flow_run()["id"]
        settled = {"Built", "Restored", "UpToDate", "Failed", "NotReady"}
        return wait_for(
            lambda: {run["name"]: run["state_name"] for run in self.task_runs(last)},
            lambda states: bool(states) and set(states.values()) <= settled,
        )


def running(pid: int) -> bool:
    """Whether a process is there, and not only its unread exit code."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


@contextmanager
def a_worker(server: Server, folder: Path, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
    folder.mkdir(parents=True, exist_ok=True)
    command = ["prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    given = environment(folder, server.address) | {"PREFECT_WORKER_QUERY_SECONDS": "1"} | settings
    with (folder / "worker.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=given, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def start(project: Project, server: Server, deployment: str, *more: str) -> "subprocess.Popen[str]":
    command = ["prefect", "deployment", "run", deployment, "--watch", *more]
    return subprocess.Popen(
        command,
        cwd=project.directory,
        env=environment(project.home, server.address),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def begun(project: Project) -> int:
    """The process of the project's training, once it runs."""
    file = project.directory / "worker.pid"
    assert wait_for(lambda: file.exists() and file.read_text().strip(), bool, seconds=60), "the stage did not start"
    return int(file.read_text())

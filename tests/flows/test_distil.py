"""The flow, run as a user runs it, over a small DVC project."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import httpx
import pytest

Seen = TypeVar("Seen")

ROOT = Path(__file__).parents[2]

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

STAGES = {"collect", "left", "right", "distil@dot-T1", "distil@dot-T2", "evaluate"}

FAILING = """
stages:
  start:
    cmd: >-
      echo begun; echo "params.yaml: got 0, expected more; set it" >&2; exit 2
    outs: [begun]
  dependent:
    cmd: touch dependent-ran
    deps: [begun]
  other:
    cmd: sleep 1; touch other-ran
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

    def start_flow(self, server: str | None = None) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "flows.distil"], cwd=self.directory, env=environment(self.home, server)
        )


class Server:
    """What a Prefect server knows, by its public API."""

    def __init__(self, address: str) -> None:
        self.address = address

    def find(self, kind: str, query: dict[str, Any]) -> list[dict[str, Any]]:
        answer = httpx.post(f"{self.address}/{kind}/filter", json=query)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def last_flow_run(self) -> dict[str, Any]:
        return self.find("flow_runs", {"sort": "START_TIME_DESC", "limit": 1})[0]

    def stage_states(self) -> dict[str, str]:
        """Return the state of each stage in the last flow run; the server learns them a little later than the flow."""
        query = {"flow_runs": {"id": {"any_": [self.last_flow_run()["id"]]}}}
        settled = {"Built", "Restored", "UpToDate", "Failed", "NotReady"}
        return wait_for(
            lambda: {run["name"]: run["state_name"] for run in self.find("task_runs", query)},
            lambda states: bool(states) and set(states.values()) <= settled,
        )


def wait_for(look: Callable[[], Seen], done: Callable[[Seen], bool], seconds: float = 20) -> Seen:
    """Return what was seen once it is done, or at the end of the time."""
    end = time.monotonic() + seconds
    while not done(seen := look()) and time.monotonic() < end:
        time.sleep(0.1)
    return seen


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prefect server of the user's own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    settings = environment(tmp_path_factory.mktemp("server"), None) | {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    process = subprocess.Popen(command, env=settings, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}/api"
        assert wait_for(lambda: healthy(address), bool, seconds=60), "the server did not start"
        yield Server(address)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def healthy(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """Makes a project from a dvc.yaml."""
    return lambda pipeline=PIPELINE: Project(tmp_path / "project", pipeline)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, server: Server) -> SimpleNamespace:
    """A project that the flow has built on the user's server, and the flow's output."""
    project = Project(tmp_path_factory.mktemp("built") / "project")
    return SimpleNamespace(project=project, run=project.run_flow(server.address), flow_run=server.last_flow_run())


def states_after_run(project: Project, server: Server) -> set[str]:
    run = project.run_flow(server.address)
    assert run.returncode == 0, run.stdout
    states = server.stage_states()
    assert set(states) == STAGES
    return set(states.values())


def test_first_run_builds_each_stage_on_the_users_server(built: SimpleNamespace, server: Server) -> None:
    assert built.run.returncode == 0, built.run.stdout
    assert built.flow_run["state_type"] == "COMPLETED"
    assert server.stage_states() == dict.fromkeys(STAGES, "Built")


def test_results_become_an_artifact(built: SimpleNamespace, server: Server) -> None:
    [artifact] = server.find("artifacts", {"artifacts": {"flow_run_id": {"any_": [built.flow_run["id"]]}}})
    assert artifact["key"] == "results"
    assert "## Re-ranking" in artifact["data"]
    assert "| bm25 | 0.613 |  |" in artifact["data"]
    assert "| dot-T1 | 0.700 | 0.500 |" in artifact["data"]


def test_independent_stages_overlap_in_time(built: SimpleNamespace) -> None:
    (left_start, left_end), (right_start, right_end) = (
        map(float, built.project.read(f"{side}.times").split()) for side in ("left", "right")
    )
    assert max(left_start, right_start) < min(left_end, right_end)


def test_a_progress_bar_leaves_one_line(built: SimpleNamespace) -> None:
    assert "- 100%" in built.run.stdout
    assert "- 10%" not in built.run.stdout


def test_lock_file_is_the_one_of_dvc_repro(built: SimpleNamespace, tmp_path: Path) -> None:
    by_hand = Project(tmp_path / "project")
    by_hand.run("dvc", "repro", check=True)
    assert built.project.read("dvc.lock") == by_hand.read("dvc.lock")


def test_later_runs_skip_or_restore(built: SimpleNamespace, server: Server) -> None:
    assert states_after_run(built.project, server) == {"UpToDate"}
    for name in ("dvc.lock", "collection", "left", "right", "dot-T1", "dot-T2", "report", "evaluation/metrics.json"):
        (built.project.directory / name).unlink()
    assert states_after_run(built.project, server) == {"Restored"}


def test_failed_stage_fails_the_flow_and_shows_its_message(project: Callable[[str], Project]) -> None:
    failing = project(FAILING)
    run = failing.run_flow()  # without a server: on Prefect's ephemeral one
    assert run.returncode == 1
    assert "\nstart: params.yaml: got 0, expected more; set it\n" in run.stdout
    assert not (failing.directory / "dependent-ran").exists()
    assert (failing.directory / "other-ran").exists()


def test_broken_pipeline_is_one_line_and_exit_code_2(project: Callable[[], Project]) -> None:
    broken = project()
    broken.write("params.yaml", "m: 1\n")
    run = broken.run_flow()
    assert run.returncode == 2
    assert run.stdout.startswith("dvc.yaml: got from DVC 'failed to parse 'stages.collect.cmd'")
    assert len(run.stdout.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_training_outlives_the_flow(
    number: signal.Signals, project: Callable[[str], Project], server: Server
) -> None:
    training = project(SLEEPING)
    pid_file = training.directory / "worker.pid"
    flow = training.start_flow(server.address)
    try:
        assert wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(), bool), "the stage did not start"
        worker = int(pid_file.read_text())
        assert running(worker)
        flow.send_signal(number)
        assert wait_for(lambda: not running(worker), bool, seconds=5), "the stage outlived the flow"
        assert flow.wait(timeout=20) != 0
    finally:
        flow.kill()


def running(pid: int) -> bool:
    """Whether a process is there, and not only its unread exit code."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_flow_imports_no_models() -> None:
    code = "import sys, flows.distil; print(*{'torch', 'transformers', 'mlflow'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""

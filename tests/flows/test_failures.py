"""Why DVC, or a stage that it runs, failed: by exit codes and exceptions, whatever a stage prints."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

import pytest
from flows.building import outcome
from flows.command import DVC, run
from flows.failure import CommandFailed, Kind
from flows.stage import run_stage
from prefect.states import Cancelled, Completed, Crashed, Failed, Pending
from tests.conftest import ROOT
from tests.flows.project import Project
from tests.servers import wait_for

from distilrank.workers.leash import Leash

pytestmark = pytest.mark.slow(30)

# What the flow once looked for in a stage's output.
WORDS = "Connection refused; CUDA out of memory; is busy, it is being blocked by; exited with 75"
PIPELINE = f"""
stages:
  fault:
    cmd: echo "{WORDS}" >&2; exit 1
  lock:
    cmd: exit 69
  unreachable:
    cmd: exit 75
  killed:
    cmd: kill -9 $$
  slow:
    cmd: touch begun; sleep 60; touch slow
    outs: [slow]
  made:
    cmd: echo made > made
    outs: [made]
  pretends:
    cmd: |-
      echo "Stage 'pretends' didn't change, skipping"; echo pretends > pretends
      echo "Stage 'pretends' is cached - skipping run, checking out outputs"
    deps: [params.yaml]
    outs: [pretends]
"""
KINDS = {
    "fault": Kind.FAULT,
    "lock": Kind.FAULT,
    "unreachable": Kind.UNREACHABLE,
    "killed": Kind.FAULT,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("failures") / "project", PIPELINE)


@pytest.fixture
def made(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project, as the working directory."""
    monkeypatch.chdir(project.directory)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return project


def kind_of(arguments: Sequence[str]) -> Kind:
    with Leash() as leash, pytest.raises(CommandFailed) as failed:
        run([*DVC, *arguments], leash, lambda _: None)
    return failed.value.kind


@pytest.mark.parametrize("stage", KINDS)
def test_a_stages_exit_code_decides(made: Project, stage: str) -> None:
    assert kind_of(["repro", "--single-item", stage]) == KINDS[stage]


def test_what_dvc_did_is_not_read_from_what_a_stage_prints(made: Project) -> None:
    with Leash() as leash:
        assert run_stage("pretends", {}, leash, lambda _: None) == "Built"
        assert run_stage("pretends", {}, leash, lambda _: None) == "UpToDate"
        (made.directory / "pretends").unlink()
        assert run_stage("pretends", {}, leash, lambda _: None) == "Restored"


def test_a_lock_of_another_dvc_is_busy(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.command._SECONDS_IN_ALL", 0)
    command = [sys.executable, "-m", "dvc", "repro", "slow"]
    by_hand = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        assert wait_for((made.directory / "begun").exists, bool)
        assert kind_of(["repro", "--single-item", "slow"]) == Kind.BUSY
    finally:
        os.killpg(by_hand.pid, signal.SIGKILL)
        by_hand.wait()


def test_a_remote_that_does_not_answer_is_unreachable(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
    for name, value in {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "key", "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    made.run(*DVC, "repro", "made", check=True)
    made.run("dvc", "remote", "add", "--local", "--default", "storage", "s3://team/dvc", check=True)
    assert kind_of(["push", "made"]) == Kind.UNREACHABLE


def test_a_flow_is_done_only_when_every_stage_is() -> None:
    done, below = Completed(name="UpToDate"), Pending(name="NotReady", message="upstream")
    failed, crashed, cancelled = (
        Failed(message="one: no"),
        Crashed(message="two: gone"),
        Cancelled(message="three: ended"),
    )
    assert outcome([done, done]).is_completed()
    for state in (failed, crashed, cancelled):
        assert outcome([done, state, below]).message == state.message
        assert outcome([done, state, below]).is_failed()
    assert outcome([done, below]).is_failed()

"""DVC's remote on a real S3-compatible server: what the flow pushes, another clone restores without building it."""

import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests.conftest import ROOT
from tests.flows.project import Project, Server

pytestmark = pytest.mark.slow(60)

# Each run of a command leaves a line outside the project.
PIPELINE = """
stages:
  teach:
    meta: {{costly: true}}
    cmd: echo teach >> {ran}; sleep 1; echo ${{n}} > teacher
    params: [n]
    outs: [teacher]
  control:
    cmd: echo control >> {ran}; sleep 3; touch control
    outs: [control]
  distil:
    meta: {{costly: true}}
    cmd: echo distil >> {ran}; cat teacher teacher > student
    deps: [teacher]
    outs: [student]
  report:
    cmd: echo report >> {ran}; cp student report
    deps: [student, control]
    outs: [report]
"""


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an S3 server that has the bucket `team`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**keys, "AWS_ENDPOINT_URL": address}.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="team")
    yield address
    server.stop()


@pytest.fixture
def pushing(project: Callable[[str], Project], bucket: str, tmp_path: Path) -> Project:
    made = project(PIPELINE.format(ran=tmp_path / "ran"))
    made.run("dvc", "remote", "add", "--local", "--default", "storage", "s3://team/dvc", check=True)
    return made


def distil(project: Project, server: Server) -> "subprocess.CompletedProcess[str]":
    code = "import sys; from flows.distil import distil; distil(push=True)"
    return project.run("python", "-c", code, server=server.address)


def ran(folder: Path) -> list[str]:
    file = folder / "ran"
    return sorted(file.read_text().split()) if file.exists() else []


def test_a_clone_restores_what_was_pushed(pushing: Project, server: Server, bucket: str, tmp_path: Path) -> None:
    first = distil(pushing, server)
    assert first.returncode == 0, first.stdout
    pushing.write("params.yaml", "n: 2\n")
    second = distil(pushing, server)
    assert second.returncode == 0, second.stdout
    assert ran(tmp_path) == ["control", "distil", "distil", "report", "report", "teach", "teach"]
    for words in ("add .", "-c user.name=a -c user.email=a@b.c commit -q -m both"):
        pushing.run("git", *words.split(), check=True)
    (tmp_path / "ran").unlink()

    clone = Project.__new__(Project)
    clone.directory, clone.home = tmp_path / "clone", tmp_path / "other"
    pushing.run("git", "clone", "-q", ".", str(clone.directory), check=True)
    clone.run("dvc", "remote", "add", "--local", "--default", "storage", "s3://team/dvc", check=True)
    restored = clone.run("dvc", "repro", "--pull")
    assert restored.returncode == 0, restored.stdout
    assert clone.read("report") == "2\n2\n"
    # The params of before, whose results are in the run-cache alone.
    clone.write("params.yaml", "n: 1\n")
    restored = clone.run("dvc", "repro", "--pull")
    assert restored.returncode == 0, restored.stdout
    assert clone.read("report") == "1\n1\n"
    assert ran(tmp_path) == []


def test_no_push_runs_beside_a_stage(pushing: Project, server: Server) -> None:
    done = distil(pushing, server)
    assert done.returncode == 0, done.stdout
    runs = server.task_runs(server.last_flow_run()["id"])
    spans = {run["name"]: tuple(datetime.fromisoformat(run[end]) for end in ("start_time", "end_time")) for run in runs}
    pushes = [name for name in spans if name.startswith("push ")]
    assert sorted(pushes) == ["push all", "push distil", "push teach"]
    for push in pushes:
        for other in set(spans) - {push}:
            assert spans[other][1] <= spans[push][0] or spans[push][1] <= spans[other][0], (push, other, spans)


def test_without_a_remote_nothing_is_built(project: Callable[[str], Project], server: Server, tmp_path: Path) -> None:
    made = project(PIPELINE.format(ran=tmp_path / "ran"))
    done = distil(made, server)
    assert done.returncode == 1
    assert "dvc remote: got no default remote, expected one to push to; add one: dvc remote add" in done.stdout
    assert ran(tmp_path) == []


def test_a_remote_that_refuses_is_not_asked_again(pushing: Project, server: Server) -> None:
    pushing.run("dvc", "remote", "modify", "--local", "storage", "url", "s3://another/dvc", check=True)
    done = distil(pushing, server)
    assert done.returncode == 1
    counts = {run["name"]: run["run_count"] for run in server.task_runs(server.last_flow_run()["id"])}
    assert counts["push all"] == 1
    assert (pushing.directory / "report").exists()


def test_the_repository_holds_no_secret() -> None:
    config = (ROOT / ".dvc" / "config").read_text()
    assert not re.search(r"access_key|secret|password|token|://[^/\s]*@", config, re.IGNORECASE)
    tracked = subprocess.run(["git", "ls-files", ".dvc"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert "config.local" not in tracked
    assert "/config.local" in (ROOT / ".dvc" / ".gitignore").read_text()

"""The stack without containers, as `make stack` and `make stack-down` run it, over a small project."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import psutil
import pytest
from tests.conftest import ROOT
from tests.flows.project import Project
from tests.servers import free_port, wait_for

PIPELINE = """
stages:
  collect:
    cmd: echo ${n} > collection
    params: [n]
    outs: [collection]
  report:
    cmd: echo $MLFLOW_TRACKING_URI > report
    deps: [collection]
    outs: [report]
"""


class Stack:
    """A stack on free ports."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.ports = [free_port() for _ in range(3)]
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("PREFECT", "MLFLOW"))
        }
        self.environment["DISTILRANK_STACK_PORTS"] = ",".join(map(str, self.ports))
        self.environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    def run(self, *command: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            cwd=self.project.directory,
            env=self.environment | more,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def tell(self, word: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return self.run(sys.executable, "-m", "infra.stack", word, **more)

    def shell(self, command: str) -> "subprocess.CompletedProcess[str]":
        return self.run("sh", "-c", f"set -a; . .stack/environment; set +a; {command}")

    def processes(self) -> list[psutil.Process]:
        supervisor = psutil.Process(int((self.project.directory / ".stack" / "supervisor.lock").read_text()))
        return [supervisor, *supervisor.children(recursive=True)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    project = Project(tmp_path_factory.mktemp("stack") / "project", PIPELINE)
    for name in ("flows", "infra"):
        shutil.copytree(ROOT / name, project.directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "prefect.yaml", project.directory / "prefect.yaml")
    stack = Stack(project)
    started = stack.tell("up")
    try:
        assert started.returncode == 0, started.stdout
        yield stack
    finally:
        stack.tell("down")


def test_a_deployment_runs_through_it(stack: Stack) -> None:
    run = stack.shell("prefect deployment run distil/local --param push=true --watch")
    assert run.returncode == 0, run.stdout
    assert stack.project.read("report") == f"http://127.0.0.1:{stack.ports[1]}\n"
    assert stack.run("dvc", "remote", "list").stdout.split() == ["stack", "s3://distilrank/dvc", "(default)"]
    keys = stack.shell(
        "python -c \"import boto3; print(boto3.client('s3').list_objects_v2(Bucket='distilrank'))\""
    ).stdout
    assert "dvc/files/md5/" in keys
    assert "dvc/runs/" in keys


def test_only_this_machine_reaches_it(stack: Stack) -> None:
    listening = [
        connection.laddr
        for process in stack.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert set(stack.ports) <= {address.port for address in listening}


def test_mlflow_answers_no_other_host_and_reads_no_pickle(stack: Stack) -> None:
    address = f"http://127.0.0.1:{stack.ports[1]}/api/2.0/mlflow/experiments/search?max_results=1"
    assert httpx.get(address).status_code == 200
    assert httpx.get(address, headers={"Host": "elsewhere.example"}).status_code == 403
    [server] = [one for one in stack.processes() if one.cmdline()[1:4] == ["-m", "mlflow", "server"]]
    assert server.environ()["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_a_service_that_dies_is_started_again(stack: Stack) -> None:
    [store] = [one for one in stack.processes() if one.cmdline()[1:3] == ["-m", "infra.object_store"]]
    store.kill()
    assert wait_for(lambda: put(stack, "again"), bool, seconds=30)


def test_again_it_is_the_same_with_its_data_and_its_end_ends_all_of_it(stack: Stack) -> None:
    assert put(stack, "kept")
    assert stack.tell("up").returncode == 0
    bystander = subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(free_port())])
    try:
        processes = stack.processes()
        assert len(processes) > 8
        ended = stack.tell("down")
        assert ended.returncode == 0, ended.stdout
        assert wait_for(lambda: not any(map(alive, processes)), bool, seconds=5), list(filter(alive, processes))
        assert bystander.poll() is None
        assert "the stack does not run" in stack.tell("down").stdout
    finally:
        bystander.send_signal(signal.SIGKILL)
        bystander.wait()
    assert stack.tell("up").returncode == 0
    assert put(stack, "kept")


def test_a_port_that_is_taken_is_refused(stack: Stack, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", PIPELINE)
    shutil.copytree(ROOT / "infra", project.directory / "infra")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = Stack(project).tell(
            "up", DISTILRANK_STACK_PORTS=f"{free_port()},{port},{free_port()}", PYTHONPATH=str(ROOT)
        )
    assert done.returncode == 2
    assert f"stack: port {port}: got another server on it, expected a free port" in done.stdout
    for wrong in ("4200", "a,b,c", "1,2,70000"):
        done = Stack(project).tell("up", DISTILRANK_STACK_PORTS=wrong, PYTHONPATH=str(ROOT))
        assert done.returncode == 2
        assert f"DISTILRANK_STACK_PORTS: got '{wrong}', expected three ports" in done.stdout


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def put(stack: Stack, key: str) -> bool:
    """Whether the object is there, or else could be stored."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{stack.ports[2]}",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    try:
        if client.list_objects_v2(Bucket="distilrank", Prefix=key)["KeyCount"] == 0:
            client.put_object(Bucket="distilrank", Key=key, Body=b"content")
        return bool(client.get_object(Bucket="distilrank", Key=key)["Body"].read() == b"content")
    except Exception:
        return False

"""The stack without containers, as `make stack` and `make stack-down` run it, over a small project."""

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import boto3
import httpx
import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from infra.access import StackError
from infra.stack import up
from tests.conftest import ROOT
from tests.flows.project import Project
from tests.servers import free_port, wait_for

pytestmark = pytest.mark.slow(90)

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


def encoded(auth: str) -> str:
    return base64.b64encode(auth.encode()).decode()


def hides(file: Path) -> bool:
    return file.parent.name == ".stack" and file.name == "environment"


class Stack:
    """A stack on free ports."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.ports = [free_port() for _ in range(3)]
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("PREFECT", "MLFLOW"))
        }
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

    def up(self, ports: Iterable[int] = ()) -> "subprocess.CompletedProcess[str]":
        """Without ports, on those of the last time."""
        return self.tell("up", DISTILRANK_STACK_PORTS=",".join(map(str, ports)))

    def opened_by(self) -> dict[str, str]:
        """What the file for shells says."""
        lines = (self.project.directory / ".stack" / "environment").read_text().splitlines()
        return dict(line.split("=", maxsplit=1) for line in lines)

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
    started = stack.up(stack.ports)
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


@pytest.mark.parametrize(
    "given",
    [{}, {"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Authorization": f"Basic {encoded('admin:')}"}],
    ids=["nothing", "another host", "a page", "a guess"],
)
def test_prefect_starts_nothing_without_its_auth_string(stack: Stack, given: dict[str, str]) -> None:
    asked = f"http://127.0.0.1:{stack.ports[0]}/api/deployments/filter"
    assert httpx.post(asked, json={}, headers=given).status_code == 401
    key = encoded(stack.opened_by()["PREFECT_API_AUTH_STRING"])
    assert httpx.post(asked, json={}, headers={"Authorization": f"Basic {key}"}).status_code == 200


def test_prefect_lets_its_own_pages_ask_and_no_others(stack: Stack) -> None:
    asked = f"http://127.0.0.1:{stack.ports[0]}/api/deployments/filter"
    own = [f"http://{host}:{stack.ports[0]}" for host in ("127.0.0.1", "localhost")]
    for origin in (*own, "http://evil.example", f"http://127.0.0.1:{stack.ports[1]}", "null"):
        preflight = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        }
        answer = httpx.options(asked, headers=preflight)
        assert answer.is_success == (origin in own)
        assert answer.headers.get("Access-Control-Allow-Origin") == (origin if origin in own else None)


def test_prefects_pages_ask_for_the_auth_string(stack: Stack) -> None:
    settings = httpx.get(f"http://localhost:{stack.ports[0]}/ui-settings").json()
    assert (settings["auth"], settings["api_url"]) == ("BASIC", f"http://127.0.0.1:{stack.ports[0]}/api")


def test_secrets_stand_in_one_file_that_its_owner_reads(stack: Stack) -> None:
    folder = stack.project.directory / ".stack"
    assert (folder / "environment").stat().st_mode & 0o777 == 0o600
    names = ("PREFECT_API_AUTH_STRING", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    hidden = {stack.opened_by()[name].removeprefix("stack:").encode() for name in names}
    assert len(hidden) == 3 and min(map(len, hidden)) >= 32
    again = stack.up()
    assert again.returncode == 0, again.stdout
    shown = [again.stdout.encode(), *(" ".join(process.cmdline()).encode() for process in stack.processes())]
    shown += [file.read_bytes() for file in stack.project.directory.rglob("*") if file.is_file() and not hides(file)]
    assert not [secret for secret in hidden if any(secret in text for text in shown)]


def test_mlflow_answers_no_other_host_or_page_and_reads_no_pickle(stack: Stack) -> None:
    address = f"http://127.0.0.1:{stack.ports[1]}/api/2.0/mlflow/experiments"
    searched = f"{address}/search?max_results=1"
    assert httpx.get(searched).status_code == 200
    assert httpx.get(searched, headers={"Host": "evil.example"}).status_code == 403
    page = {"Origin": "http://evil.example"}
    assert "Access-Control-Allow-Origin" not in httpx.get(searched, headers=page).headers
    assert httpx.post(f"{address}/create", json={"name": "theirs"}, headers=page).status_code == 403
    assert httpx.get(f"http://127.0.0.1:{stack.ports[1]}/").headers["X-Frame-Options"] == "SAMEORIGIN"
    [server] = [one for one in stack.processes() if one.cmdline()[1:4] == ["-m", "mlflow", "server"]]
    assert server.environ()["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_a_service_that_dies_is_started_again(stack: Stack) -> None:
    [store] = [one for one in stack.processes() if one.cmdline()[:3] == ["rclone", "serve", "s3"]]
    store.kill()
    assert wait_for(lambda: put(stack, "again"), bool, seconds=30)


def test_again_it_is_the_same_with_its_data_and_its_end_ends_all_of_it(stack: Stack) -> None:
    assert put(stack, "kept")
    opened_by = stack.opened_by()
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
    assert stack.up().returncode == 0
    assert stack.opened_by() == opened_by
    assert put(stack, "kept")


def test_other_ports_are_refused_while_it_runs(stack: Stack) -> None:
    other = [free_port() for _ in range(3)]
    refused = stack.up(other)
    assert refused.returncode == 2
    kept = ",".join(map(str, stack.ports))
    assert f"DISTILRANK_STACK_PORTS: got {','.join(map(str, other))}, expected {kept}, where the stack runs" in (
        refused.stdout
    )


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


def test_objects_of_another_server_are_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".stack" / "objects").mkdir(parents=True)
    with pytest.raises(StackError, match="got data of another S3 server, expected none; end the stack"):
        up()


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def put(stack: Stack, key: str) -> bool:
    """Whether the object is there, or else could be stored."""
    known = stack.opened_by()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{stack.ports[2]}",
        region_name="us-east-1",
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
    )
    try:
        if client.list_objects_v2(Bucket="distilrank", Prefix=key).get("Contents", []) == []:
            client.put_object(Bucket="distilrank", Key=key, Body=b"content")
        return bool(client.get_object(Bucket="distilrank", Key=key)["Body"].read() == b"content")
    except (BotoCoreError, ClientError):
        return False

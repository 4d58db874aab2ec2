"""The deployments of prefect.yaml, run by a real worker, over a small DVC project."""

import json
import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from tests.flows.project import SLEEPING, Project, Server, a_worker, begun, environment, running, start
from tests.servers import wait_for

pytestmark = pytest.mark.slow(90)

# Where browsers find the server, which the worker knows by another address.
PAGES = "https://prefect.example"
DEPLOYMENTS = ["distil/local", "distil/nightly", "promote/local", "score/local"]

TAKING_TIME = """
stages:
  build:
    cmd: date +%s.%N >> times; sleep 4; date +%s.%N >> times
    always_changed: true
"""

# A server that does not answer at first; a mistake; a stage that the kernel kills for its memory.
FAILURES = {
    75: "unreachable.tries",
    2: "mistake.tries",
    137: "memory.tries",
}
SECRET = "s3://me:hidden@bucket/a?X-Amz-Signature=hidden"
FAILING = "stages:" + "".join(
    f"""
  fails{code}:
    cmd: echo try >> {file}; [ $(wc -l < {file}) -ge 2 ] || {{ echo {SECRET} refused; exit {code}; }}
    always_changed: true"""
    for code, file in FAILURES.items()
)


class Receiver:
    """A webhook's receiver, and what it was told."""

    def __init__(self) -> None:
        told: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.told = told
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/hook?token=secret"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()


@pytest.fixture(scope="module")
def worker(server: Server, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    given = {"DISTILRANK_WEBHOOK": receiver.address, "PREFECT_UI_URL": PAGES}
    with a_worker(server, tmp_path_factory.mktemp("worker"), **given):
        yield


def logs(server: Server, flow_run: str) -> str:
    query = {"logs": {"flow_run_id": {"any_": [flow_run]}}, "limit": 200}
    return "\n".join(line["message"] for line in server.find("logs", query))


def test_every_deployment_is_there_with_described_parameters(
    deployed: Callable[[str], Project], server: Server
) -> None:
    deployed(TAKING_TIME)
    flows = {flow["id"]: flow["name"] for flow in server.find("flows", {})}
    found = {f"{flows[one['flow_id']]}/{one['name']}": one for one in server.find("deployments", {})}
    assert sorted(set(found) & set(DEPLOYMENTS)) == DEPLOYMENTS
    parameters = [
        (name, parameter)
        for name in DEPLOYMENTS
        for parameter in found[name]["parameter_openapi_schema"]["properties"].values()
    ]
    assert len(parameters) == 10
    for _, parameter in parameters:
        kinds = [kind["type"] for kind in parameter.get("anyOf", [parameter])]
        assert kinds in (["boolean"], ["string"], ["integer", "null"])
        assert parameter["description"].endswith((".", "challengers.", "dot-T1."))
    [schedule] = found["distil/nightly"]["schedules"]
    assert not schedule["active"]
    assert schedule["schedule"]["cron"] == "0 2 * * *"


@pytest.mark.usefixtures("worker")
def test_a_run_succeeds_with_exit_code_0(deployed: Callable[..., Project], server: Server) -> None:
    project = deployed("stages:\n  one:\n    cmd: echo $DISTILRANK_FLOW_RUN > page\n    outs: [page]\n")
    run = start(project, server, "distil/local")
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0, said
    flow_run = server.last_flow_run()
    assert project.read("page").strip() == f"{PAGES}/flow-runs/flow-run/{flow_run['id']}"
    assert set(server.artifacts(flow_run["id"])) == {"dvc-lock"}


@pytest.mark.usefixtures("worker")
def test_only_what_may_pass_is_tried_again(
    deployed: Callable[..., Project], server: Server, receiver: Receiver
) -> None:
    project = deployed(FAILING)
    run = start(project, server, "distil/local")
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 1, said
    flow_run = server.last_flow_run()
    tries = {run["name"]: (run["run_count"], run["state_name"]) for run in server.task_runs(flow_run["id"])}
    assert tries == {"fails75": (2, "Built"), "fails2": (1, "Failed"), "fails137": (1, "Failed")}
    [word] = [word for word in receiver.told if word["run"] == flow_run["name"]]
    assert word["flow"] == "distil"
    assert word["state"] == "Failed"
    assert "fails2: " in word["message"]
    assert word["page"] == f"{PAGES}/flow-runs/flow-run/{flow_run['id']}"
    # What a stage says of a URL is told without its secrets.
    assert "s3://bucket/a?X-Amz-Signature=*** refused" in word["message"]
    assert "hidden" not in word["message"] + logs(server, flow_run["id"]) + said


@pytest.mark.usefixtures("worker")
def test_two_runs_at_once_work_one_after_the_other(deployed: Callable[..., Project], server: Server) -> None:
    project = deployed(TAKING_TIME)
    both = [start(project, server, f"distil/{name}", "--param", "push=false") for name in ("local", "nightly")]
    for run in both:
        said, _ = run.communicate(timeout=120)
        assert run.returncode == 0, said
    times = list(map(float, project.read("times").split()))
    assert times == sorted(times)
    pairs = list(zip(times[::2], times[1::2], strict=True))
    assert all(end - begin >= 4 for begin, end in pairs)
    runs = [run["id"] for run in server.find("flow_runs", {"sort": "START_TIME_DESC", "limit": 3})]
    assert any("this one waits for it" in logs(server, run) for run in runs)


@pytest.mark.usefixtures("worker")
def test_a_stage_that_somebody_builds_by_hand_is_waited_for(deployed: Callable[..., Project], server: Server) -> None:
    project = deployed("stages:\n  slow:\n    cmd: echo ran >> ran; sleep 12; touch made\n    outs: [made]\n")
    by_hand = subprocess.Popen(
        ["dvc", "repro"], cwd=project.directory, env=environment(project.home, None), stdout=subprocess.DEVNULL
    )
    assert wait_for((project.directory / "ran").exists, bool)
    run = start(project, server, "distil/local")
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert by_hand.wait() == 0
    assert project.read("ran") == "ran\n"
    assert set(server.stage_states().values()) == {"UpToDate"}


@pytest.mark.usefixtures("worker")
def test_a_cancelled_run_ends_its_training(deployed: Callable[..., Project], server: Server) -> None:
    project = deployed(SLEEPING)
    run = start(project, server, "distil/local")
    training = begun(project)
    httpx.post(
        f"{server.address}/flow_runs/{server.last_flow_run()['id']}/set_state",
        json={"state": {"type": "CANCELLING"}},
    ).raise_for_status()
    assert wait_for(lambda: not running(training), bool, seconds=30), "the training outlived its cancellation"
    run.communicate(timeout=60)
    assert run.returncode == 1
    assert wait_for(lambda: server.last_flow_run()["state_type"], "CANCELLED".__eq__, seconds=60) == "CANCELLED"

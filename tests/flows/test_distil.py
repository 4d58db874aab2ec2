"""The flow, run as a user runs it, over a small DVC project."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.conftest import ROOT
from tests.flows.project import SLEEPING, Project, Server, running
from tests.servers import wait_for

pytestmark = pytest.mark.slow(80)

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

NOTED = (
    "echo $CUDA_VISIBLE_DEVICES,$OMP_NUM_THREADS,$(date +%s.%N) > {name}.begun; sleep {seconds}; date +%s.%N > {name}"
)
TRAINING = f"""
stages:
  distil:
    foreach: [a, b, c]
    do:
      meta: {{computes: training}}
      cmd: {NOTED.format(name="${item}", seconds=2)}
      outs: ["${{item}}"]
  quality:
    cmd: {NOTED.format(name="quality", seconds=0)}
    outs: [quality]
"""
# `alone` is ready as early as `first`, but two stages wait for `first`.
CHAIN = """
stages:
  alone: {cmd: "echo alone >> order; touch a", outs: [a]}
  first: {cmd: "echo first >> order; touch b", outs: [b]}
  second: {cmd: "echo second >> order; touch c", deps: [b], outs: [c]}
  third: {cmd: "echo third >> order; touch d", deps: [c], outs: [d]}
"""


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
    artifacts = server.artifacts(built.flow_run["id"])
    assert set(artifacts) == {"results", "dvc-lock"}
    assert "## Re-ranking" in artifacts["results"]
    assert "| bm25 | 0.613 |  |" in artifacts["results"]
    assert "| dot-T1 | 0.700 | 0.500 |" in artifacts["results"]
    assert "\n+  collect:\n" in artifacts["dvc-lock"]


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


def test_stale_digests_of_code_are_one_line_and_exit_code_2(project: Callable[[], Project]) -> None:
    stale = project()
    stale.write("code.yaml", "collect: old\n")
    run = stale.run_flow()
    assert run.returncode == 2
    assert run.stdout.startswith("code.yaml: got digests of other code for collect, ")
    assert run.stdout.endswith("; after a change of code, run `distilrank lock`\n")
    assert not (stale.directory / "collection").exists()


def test_a_damaged_lock_is_mended_and_one_in_conflict_is_not(built: SimpleNamespace, server: Server) -> None:
    project = built.project
    states_after_run(project, server)
    good = project.read("dvc.lock")
    project.write("dvc.lock", "")
    assert states_after_run(project, server) == {"UpToDate"}
    assert project.read("dvc.lock") == good
    project.write("dvc.lock", f"<<<<<<< HEAD\n{good}")
    refused = project.run_flow(server.address)
    assert refused.returncode == 2
    assert refused.stdout.startswith("dvc.lock: got both sides of a git conflict, expected one side; ")
    assert len(refused.stdout.splitlines()) == 1
    project.write("dvc.lock", good)


def test_no_two_trainings_of_the_flow_share_a_card(
    project: Callable[[str], Project], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("DISTILRANK_DEVICE", "cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("DISTILRANK_STAGES_AT_ONCE", "100")
    made = project(TRAINING)
    run = made.run_flow(server.address)
    assert run.returncode == 0, run.stdout
    assert "100 stages at once" in run.stdout and "on 2 cards: 0, 1" in run.stdout
    begun = {name: made.read(f"{name}.begun").strip().split(",") for name in ("a", "b", "c", "quality")}
    trainings = sorted((float(begun[name][-1]), float(made.read(name)), *begun[name][:-1]) for name in "abc")
    assert {card for _, _, card, _ in trainings} == {"0", "1"}
    assert {threads for *_, threads in trainings} == {"1"}
    for begin, _, card, _ in trainings:
        assert not [other for other in trainings if other[0] < begin < other[1] and other[2] == card]
    # Who needs no card does not wait for one, and sees those of the user.
    assert float(begun["quality"][-1]) < trainings[-1][0]
    assert begun["quality"][:2] == ["0", "1"]


def test_the_longest_chain_starts_first(project: Callable[[], Project], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILRANK_STAGES_AT_ONCE", "1")
    made = project(CHAIN)
    assert made.run_flow().returncode == 0
    begun = made.read("order").split()
    assert begun[0] == "first"
    assert begun.index("alone") >= begun.index("second")
    assert sorted(begun) == ["alone", "first", "second", "third"]


def test_a_limit_that_is_no_number_is_one_line_and_exit_code_2(
    project: Callable[[], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILRANK_STAGES_AT_ONCE", "all")
    run = project().run_flow()
    assert run.returncode == 2
    expected = "DISTILRANK_STAGES_AT_ONCE: got 'all', expected a whole number above 0; correct it, or unset it\n"
    assert run.stdout == expected


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


def test_a_mistake_in_a_promotion_is_told_whole_and_no_table(built: SimpleNamespace, server: Server) -> None:
    code = "from flows.promote import promote; print(promote('dot-T1', return_state=True).message)"
    run = built.project.run(sys.executable, "-c", code, server=server.address)
    told = run.stdout[run.stdout.rindex("distilrank: ") :].splitlines()
    assert told[0].startswith("distilrank: params.yaml: n: got an unknown key"), run.stdout
    assert [line.partition(": got nothing")[0] for line in told[1:]] == [
        "params.yaml: collection", "params.yaml: backbone", "params.yaml: students", "params.yaml: matrix",
        "params.yaml: indexes",
    ]  # fmt: skip
    flow_run = server.last_flow_run()
    assert flow_run["id"] != built.flow_run["id"] and flow_run["state_type"] == "FAILED"
    assert server.artifacts(flow_run["id"]) == {}


def test_flow_imports_no_models() -> None:
    """Nor polars, whose handler of SIGINT would take Ctrl-C from the flow."""
    code = "import sys, flows.distil; print(*{'torch', 'transformers', 'mlflow', 'polars'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""

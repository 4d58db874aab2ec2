"""MLflow remembers trainings, and no fault of MLflow's stops one."""

import json
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from safetensors.numpy import save_file

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import sha256_of
from distilrank.artifacts.manifest import digest
from distilrank.errors import InputError
from distilrank.mlflow_client import connect
from distilrank.registry.measured import measures_of_run
from distilrank.tracking import find_run, log_report, log_test_metrics, stage_run

pytestmark = pytest.mark.slow(40)

WORK = Path(".work/train-T1/0123456789abcdef")
PARAMS = {"ranker": {"architecture": "cat", "layers": 2}, "training": {"steps": 30}, "teacher": None}
TRAINING = """
import sys, time
from pathlib import Path
from distilrank.tracking import stage_run

work = Path(".work") / sys.argv[1]
with stage_run(sys.argv[1], {"training": {"steps": 30}}, work) as run:
    for step in range(int(sys.argv[2])):
        run.log(step, {"loss": 1 / (1 + step)})
    if len(sys.argv) > 3:
        time.sleep(60)
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, tracked in its own mlflow.db."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    WORK.mkdir(parents=True)
    return tmp_path


def build_model(name: str) -> Path:
    """models/<name>, as a training leaves it."""
    source = Path("data/triples")
    if not source.exists():
        with whole_directory(source, "distilrank triples", {}, []) as draft:
            (draft.path / "triples.txt").write_text("1 2 3\n")
            draft.counts["triples"] = 7
    with whole_directory(Path("models") / name, f"distilrank train {name}", PARAMS, [source]) as draft:
        save_file({"head.weight": np.ones((1, 4), np.float32)}, draft.path / "model.safetensors")
        draft.counts["triples"] = 1
    return Path("models") / name


def only_run(uri: str | None = None) -> tuple[MlflowClient, Run]:
    client = MlflowClient(tracking_uri=uri or f"sqlite:///{Path('mlflow.db').absolute()}")
    experiment = client.get_experiment_by_name("distilrank")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return client, run


def model_id(run: Run) -> str:
    assert run.outputs is not None
    (output,) = run.outputs.model_outputs
    return output.model_id


def curve(client: MlflowClient, run: Run, key: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, key)]


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_training_leaves_its_params_curves_and_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("init -q", "add .", "-c user.name=a -c user.email=a@b.c commit -q --allow-empty -m one"):
        subprocess.run(["git", *command.split()], check=True)
    Path("dvc.lock").write_text("stages: {}\n")
    Path(".gitignore").write_text("*\n")
    monkeypatch.setenv("DISTILRANK_FLOW_RUN", "http://127.0.0.1:4200/runs/flow-run/7")

    with stage_run("T1", PARAMS, WORK) as run:
        for step in range(1, 31):
            run.log(step, {"loss": 1 / step})
        run.log(30, {"nDCG@10": 0.71})

    client, tracked = only_run()
    assert (tracked.info.run_name, tracked.info.status) == ("T1", "FINISHED")
    assert tracked.data.params == {
        "ranker.architecture": "cat", "ranker.layers": "2", "training.steps": "30", "teacher": "None"
    }  # fmt: skip
    assert curve(client, tracked, "loss") == [(step, 1 / step) for step in range(1, 31)]
    assert curve(client, tracked, "nDCG_at_10") == [(30, 0.71)]
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert tracked.data.tags["mlflow.source.git.commit"] == head
    assert tracked.data.tags["git.dirty"] == "false"
    assert tracked.data.tags["prefect.flow_run"] == "http://127.0.0.1:4200/runs/flow-run/7"
    assert tracked.data.tags["dvc.lock"] == sha256_of(Path("dvc.lock"))


def test_a_finished_training_leaves_its_model_and_what_it_came_from() -> None:
    with stage_run("T1", PARAMS, WORK, collection="fiqa") as run:
        directory = build_model("T1")
        run.finish(directory)

    client, tracked = only_run()
    assert tracked.data.tags["distilrank.model"] == digest(directory)
    assert tracked.data.tags["digest.data/triples"] == digest(Path("data/triples"))
    assert tracked.data.tags["count.triples"] == "1"
    model = client.get_logged_model(model_id(tracked))
    assert (model.name, model.status) == ("T1", "READY")
    (learned,) = tracked.inputs.dataset_inputs
    assert learned.dataset.name == "fiqa/data/triples"
    assert digest(Path("data/triples")).startswith(learned.dataset.digest)
    assert json.loads(learned.dataset.profile) == {"triples": 7}
    assert [(tag.key, tag.value) for tag in learned.tags] == [("mlflow.data.context", "training")]


def test_a_report_is_a_run_with_its_figures_and_what_compare_reads() -> None:
    for evaluation, passages in {layout.OWN: 5, "scifact": 7}.items():
        with whole_directory(layout.places_of(evaluation).collection, "distilrank collect", {}, []) as draft:
            draft.counts["passages"] = passages
    measures = pl.DataFrame(
        {"ranker": ["dot"], "task": ["rerank"], "query_id": ["q"], "measure": ["nDCG@10"], "value": [0.5]}
    )
    layout.MEASURES.parent.mkdir(parents=True)
    measures.write_parquet(layout.MEASURES)
    for file in (layout.REPORT, layout.SUMMARY, layout.FIGURES / "training.svg", layout.FIGURES / "training.png"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a report")

    log_report({"fiqa": layout.OWN, "scifact": "scifact"})

    client, run = only_run()
    assert (run.info.run_name, run.info.status) == ("report", "FINISHED")
    kept = {file.path for place in (None, "figures") for file in client.list_artifacts(run.info.run_id, place)}
    assert kept == {
        "report.html",
        "report.md",
        "measures.parquet",
        "figures",
        "figures/training.svg",
        "figures/training.png",
    }
    tested = {one.dataset.name: json.loads(one.dataset.profile) for one in run.inputs.dataset_inputs}
    assert tested == {"fiqa": {"passages": 5}, "scifact": {"passages": 7}}
    assert measures_of_run(run.info.run_id).equals(measures)


def test_a_report_that_is_not_all_there_is_a_run_that_failed(caplog: pytest.LogCaptureFixture) -> None:
    log_report({"fiqa": layout.OWN})

    _, run = only_run()
    assert run.info.status == "FAILED"
    assert "not recorded all of the report" in caplog.text


def test_test_metrics_land_on_the_run_that_trained_the_model(caplog: pytest.LogCaptureFixture) -> None:
    models = {}
    for name in ("T1", "dot"):
        with stage_run(name, PARAMS, Path(".work") / name) as run:
            models[name] = build_model(name)
            run.finish(models[name])
    models["elsewhere"] = build_model("elsewhere")

    measured = {"rerank": {"bm25": {"nDCG@10": 0.5}, "T1": {"nDCG@10": 0.7, "RR(rel=2)@10": 0.6},
                           "dot": {"nDCG@10": 0.65}},
                "retrieve": {"dot": {"nDCG@10": 0.6}}}  # fmt: skip
    log_test_metrics(models, measured)

    client, experiment_id = connect()
    tracked = {name: find_run(client, experiment_id, models[name]) for name in models}
    assert tracked["T1"] and tracked["dot"]
    assert tracked["T1"].data.metrics == {"rerank/nDCG_at_10": 0.7, "rerank/RR_rel_2_at_10": 0.6}
    assert tracked["dot"].data.metrics == {"rerank/nDCG_at_10": 0.65, "retrieve/nDCG_at_10": 0.6}
    assert tracked["elsewhere"] is None
    assert "no run of elsewhere" in caplog.text


def test_a_training_that_was_killed_goes_on_with_its_run() -> None:
    command = [sys.executable, "-c", TRAINING, "T1"]
    with subprocess.Popen([*command, "20", "and wait"]) as training:
        wait_for(lambda: Path(".work/T1/mlflow_run_id").exists() and len(curve(*only_run(), "loss")) == 20)
        training.send_signal(signal.SIGKILL)
    subprocess.run([*command, "30"], check=True)

    client, tracked = only_run()
    assert tracked.info.status == "FINISHED"
    assert curve(client, tracked, "loss") == [(step, 1 / (1 + step)) for step in range(30)]


def test_a_training_that_fails_is_told_so_and_fails_as_before() -> None:
    with pytest.raises(ZeroDivisionError), stage_run("T1", PARAMS, WORK) as run:
        run.log(1, {"loss": math.nan})
        run.log(2, {"loss": 1 / 0})
    assert only_run()[1].info.status == "FAILED"


def test_values_beyond_the_limits_of_mlflow_do_not_lose_the_run(caplog: pytest.LogCaptureFixture) -> None:
    params: dict[str, Any] = {"services": "x" * 100_000, **{f"of many {number}": number for number in range(250)}}
    with stage_run("T1", params, WORK) as run:
        run.log(1, {"loss": 0.5})
    _, tracked = only_run()
    assert tracked.data.params["services"] == "x" * 6000
    assert len(tracked.data.params) == 251
    assert tracked.data.metrics == {"loss": 0.5}
    assert not warnings(caplog)


def test_two_processes_may_be_the_first_at_once() -> None:
    commands = [[sys.executable, "-c", TRAINING, name, "5"] for name in ("T1", "dot")]
    trainings = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    assert [training.communicate()[1] for training in trainings] == ["", ""]

    client, experiment_id = connect()
    runs = client.search_runs([experiment_id])
    assert {run.info.run_name: len(curve(client, run, "loss")) for run in runs} == {"T1": 5, "dot": 5}


def test_a_kill_while_mlflow_lays_out_its_file_does_not_break_it() -> None:
    command = [sys.executable, "-c", TRAINING, "T1", "5"]
    with subprocess.Popen(command) as training:
        wait_for(lambda: Path(".mlflow.db.partial").exists())
        training.send_signal(signal.SIGKILL)
    assert subprocess.run(command, check=True, capture_output=True, text=True).stderr == ""
    assert only_run()[1].info.status == "FINISHED"


def test_a_real_server_gets_it_all(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    with stage_run("T1", PARAMS, WORK) as run:
        run.log(1, {"loss": 0.5})
        directory = build_model("T1")
        run.finish(directory)
    log_test_metrics({"T1": directory}, {"rerank": {"T1": {"nDCG@10": 0.7}}})

    client, tracked = only_run(server)
    assert tracked.data.metrics == {"loss": 0.5, "rerank/nDCG_at_10": 0.7}
    model = client.get_logged_model(model_id(tracked))
    assert model.status == "READY"
    files = {file.path for file in client.list_logged_model_artifacts(model.model_id, "artifacts/T1")}
    assert "artifacts/T1/model.safetensors" in files


def test_a_dead_server_is_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, free_port: int
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{free_port}")
    started = time.monotonic()
    with stage_run("T1", PARAMS, WORK) as run:
        run.log(1, {"loss": 0.5})
    assert time.monotonic() - started < 15
    (warning,) = warnings(caplog)
    assert f"MLflow at http://127.0.0.1:{free_port} has not recorded all of the run of T1" in warning.message
    assert "secret" not in warning.message


@pytest.mark.parametrize("address", ["foo://me:secret@x", "file:///mlruns", "mysql://me:secret@host/mlflow"])
def test_an_address_that_mlflow_cannot_use_is_a_mistake(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(InputError) as refused:
        connect()
    assert refused.value.exit_code == 2
    said = str(refused.value)
    assert said.startswith(f"MLFLOW_TRACKING_URI: got {address.replace('me:secret@', '')} (") and "secret" not in said


def test_a_server_that_never_answers_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    with socket.create_server(("127.0.0.1", 0)) as black_hole:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{black_hole.getsockname()[1]}")
        with stage_run("T1", PARAMS, WORK) as run:
            started = time.monotonic()
            for step in range(1000):
                run.log(step, {"loss": 0.5})
            assert time.monotonic() - started < 0.5
        assert time.monotonic() - started < 15
    assert len(warnings(caplog)) == 1


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def server(tmp_path: Path, free_port: int) -> Iterator[str]:
    folder = tmp_path / "server"
    folder.mkdir()
    command = [
        sys.executable, "-m", "mlflow", "server", "--port", str(free_port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'server.db'}",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    log = (folder / "log").open("w")
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment, start_new_session=True)
    try:
        wait_for(lambda: answers(free_port), 60)
        yield f"http://127.0.0.1:{free_port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)

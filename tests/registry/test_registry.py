"""Versions in a real MLflow server: registered once, promoted through gates, rolled back."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from tests.registry.conftest import Built

from distilrank import layout
from distilrank.artifacts import digest
from distilrank.errors import InputError, MissingInput, ParamsError
from distilrank.params import Params
from distilrank.registry.promotion import Decision, promote, rollback
from distilrank.registry.register import register

MODEL = "dot-T1"


@pytest.fixture
def client(tracker: str) -> MlflowClient:
    return MlflowClient(tracking_uri=tracker)


def name_of(model: str = MODEL) -> str:
    return f"{Path.cwd().name}.{model}"


def aliases(client: MlflowClient) -> dict[str, int]:
    found: dict[str, str] = client.get_registered_model(name_of()).aliases
    return {alias: int(version) for alias, version in found.items()}


def refusals(decision: Decision) -> list[str]:
    return [gate.gate for gate in decision.refused_by]


def decision_of(client: MlflowClient, version: ModelVersion) -> dict[str, Any]:
    """The last one in the artifacts of the version's run."""
    files = sorted(file.path for file in client.list_artifacts(version.run_id or "", "promotions"))
    mine = [file for file in files if f"/{version.name}-" in file]
    decision: dict[str, Any] = json.loads(Path(client.download_artifacts(version.run_id or "", mine[-1])).read_text())
    return decision


def crowned(built: Built) -> Params:
    """The first version of the model as champion."""
    params = built.params()
    register(params)
    assert promote(params, MODEL).promoted
    return params


def test_each_model_becomes_a_version_once(built: Built, client: MlflowClient, tracker: str) -> None:
    params = built.params()
    first = register(params)
    assert [(one.name, one.version, one.is_new) for one in first] == [
        (name_of(model), 1, True) for model in ("T1", "dot", "dot-T1")
    ]
    assert [(one.version, one.is_new) for one in register(params)] == [(1, False)] * 3
    version = client.get_model_version_by_alias(name_of(), "challenger")
    assert version.tags["dvc.model"] == f"{digest(layout.MODELS / MODEL)[:32]}.dir"
    assert version.tags["dvc.index"] == f"{digest(layout.INDEXES / MODEL)[:32]}.dir"
    assert version.tags["dvc.data/collection"] == f"{digest(layout.COLLECTION)[:32]}.dir"
    assert float(version.tags["rerank/nDCG_at_10"]) == pytest.approx(0.5)
    assert version.tags["milliseconds/rerank/single"] == "5.0"
    experiment = client.get_run(version.run_id).info.experiment_id
    assert first[2].run == f"{tracker}/#/experiments/{experiment}/runs/{version.run_id}"


def test_another_model_or_index_is_another_version(built: Built) -> None:
    params = built.params()
    register(params)
    built.train("dot", seed=1)
    built.evaluate({})
    versions = {one.name: (one.version, one.is_new) for one in register(params)}
    assert versions[name_of("dot")] == (2, True)
    assert versions[name_of("dot-T1")] == (1, False)


def test_what_dvc_did_not_build_is_not_registered(built: Built) -> None:
    Path("dvc.lock").unlink()
    with pytest.raises(MissingInput, match=r"dvc.lock: got nothing that DVC built"):
        register(built.params())


def test_a_champion_is_followed_by_a_better_one_until_a_rollback(
    built: Built, client: MlflowClient, tracker: str
) -> None:
    params = crowned(built)
    assert aliases(client) == {"champion": 1}
    version = client.get_model_version_by_alias(name_of(), "champion")
    assert version.tags["promotion"].startswith("promoted")
    recorded = decision_of(client, version)
    assert recorded["promoted"]
    assert [gate["gate"] for gate in recorded["gates"]] == [
        "safetensors only", "loads in a clean process", "floors", "no worse than the champion", "latency", "size",
    ]  # fmt: skip
    assert recorded["gates"][2]["figures"]["rerank nDCG@10"]["value"] == pytest.approx(0.5)
    mlflow.set_tracking_uri(tracker)
    [answer] = mlflow.pyfunc.load_model(f"models:/{name_of()}@champion").predict([{"query": "list", "top_k": 2}])
    assert len(answer.hits) == 2

    built.train(MODEL, seed=1)
    built.evaluate({MODEL: 0.6})
    register(params)
    assert promote(params, MODEL).promoted
    assert aliases(client) == {"champion": 2, "previous": 1}

    done = rollback(params, MODEL)
    assert (done.champion, done.former) == (1, 2)
    assert aliases(client) == {"champion": 1}
    assert "rolled back" in client.get_model_version(name_of(), "2").tags
    with pytest.raises(InputError, match="got no previous champion"):
        rollback(params, MODEL)


def test_a_worse_challenger_is_refused_and_the_champion_stays(built: Built, client: MlflowClient) -> None:
    crowned(built)
    params = built.params(no_worse={"task": "rerank", "measure": "nDCG@10", "margin": 0.05, "p_value": 0.05})
    built.train(MODEL, seed=1)
    built.evaluate({MODEL: 0.42})
    register(params)
    [refusal] = promote(params, MODEL).refused_by
    assert refusal.gate == "no worse than the champion"
    assert refusal.figures["champion"] == pytest.approx(0.5)
    assert refusal.figures["challenger"] == pytest.approx(0.42)
    assert aliases(client) == {"champion": 1, "challenger": 2}
    tags = client.get_model_version(name_of(), "2").tags
    assert tags["promotion"].startswith("refused")
    assert tags["promotion refused by"] == "no worse than the champion"

    built.values["evaluation"]["depth"] = 11
    params = built.params()
    register(params)
    [refusal] = promote(params, MODEL).refused_by
    assert "the champion was not measured in the challenger's evaluation" in refusal.why


def test_a_file_that_may_run_is_refused_unread(built: Built) -> None:
    (layout.MODELS / MODEL / "head.bin").write_bytes(b"\x80\x04.")
    params = built.params()
    register(params)
    decision = promote(params, MODEL)
    assert refusals(decision) == ["safetensors only", "loads in a clean process", "latency"]
    assert "head.bin may run when it is read" in decision.refused_by[0].why


def test_a_model_that_does_not_load_is_refused(built: Built) -> None:
    weights = layout.MODELS / MODEL / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    params = built.params()
    register(params)
    assert refusals(promote(params, MODEL)) == ["loads in a clean process", "latency"]


def test_two_promotions_at_once_leave_one_consistent_state(built: Built, client: MlflowClient) -> None:
    params = crowned(built)
    built.train(MODEL, seed=1)
    built.evaluate({MODEL: 0.6})
    register(params)
    command = [sys.executable, "-c", "from distilrank.cli import main; main()", "promote", MODEL]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    said = {process.wait(): process.communicate()[0] for process in both}
    assert sorted(said) == [0, 2], said
    assert f"{name_of()} version 2 is champion, version 1 is kept as previous" in said[0]
    assert "got no challenger, and version 2 as champion" in said[2]
    assert aliases(client) == {"champion": 2, "previous": 1}


def test_the_command_line_says_why_with_exit_code_1(built: Built) -> None:
    built.params(milliseconds=0.001)
    command = [sys.executable, "-c", "from distilrank.cli import main; main()"]
    entered = subprocess.run([*command, "register"], capture_output=True, text=True, check=True)
    assert f"{name_of()} 1 new http://" in entered.stdout
    done = subprocess.run([*command, "promote", MODEL], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "is refused by latency: rerank " in done.stdout


def test_a_model_that_is_not_there_is_refused(built: Built) -> None:
    with pytest.raises(ParamsError, match=r"got model 'colbert', expected one of \['T1', 'dot', 'dot-T1'\]"):
        promote(built.params(), "colbert")

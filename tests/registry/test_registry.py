"""Versions in a real MLflow server: each model once, with figures that are its own."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tests.conftest import ROOT
from tests.registry.conftest import Built, dvc_digest
from tests.registry.versions import MODEL, aliases, name_of

from distilrank.artifacts import layout
from distilrank.artifacts.working_tree import alone_in_working_tree
from distilrank.config.params_file import read_params
from distilrank.errors import MissingInput, ParamsError
from distilrank.registry.names import registered_name
from distilrank.registry.promotion import promote
from distilrank.registry.register import register

pytestmark = pytest.mark.slow(15)

COMMAND = [sys.executable, "-c", "from distilrank.cli.main import main; main()"]


def test_each_model_becomes_a_version_once(built: Built, client: MlflowClient, tracker: str) -> None:
    params = built.params()
    first = register(params)
    assert [(one.name, one.version, one.state) for one in first] == [
        (name_of(model), 1, "new") for model in ("T1", "dot", "dot-T1")
    ]
    assert [(one.version, one.state) for one in register(params)] == [(1, "known")] * 3
    version = client.get_model_version_by_alias(name_of(), "challenger")
    assert version.tags["dvc.model"] == dvc_digest(layout.MODELS / MODEL)
    assert version.tags["dvc.index"] == dvc_digest(layout.VECTORS / MODEL)
    assert version.tags["dvc.data/collection"] == dvc_digest(layout.COLLECTION)
    assert float(version.tags["rerank/nDCG_at_10"]) == pytest.approx(0.5)
    assert version.tags["milliseconds/rerank/single"] == "5.0"
    experiment = client.get_run(version.run_id).info.experiment_id
    assert first[2].run == f"{tracker}/#/experiments/{experiment}/runs/{version.run_id}"


def test_a_retrained_model_does_not_get_the_figures_of_the_one_before(built: Built, client: MlflowClient) -> None:
    params = built.params()
    register(params)
    built.train("dot", seed=1)
    with pytest.raises(
        MissingInput, match=r"evaluation/runs/collection/dot: got the figures of another models/dot, .*`dvc repro`"
    ):
        register(params)
    built.evaluate({"dot": 0.6})
    states = {one.name: (one.version, one.state) for one in register(params)}
    assert states[name_of("dot")] == (2, "new")
    assert states[name_of("dot-T1")] == (1, "known")
    figures = {
        one.version: one.tags["rerank/nDCG_at_10"] for one in client.search_model_versions(f"name = '{name_of('dot')}'")
    }
    assert {int(version): round(float(value), 6) for version, value in figures.items()} == {1: 0.5, 2: 0.6}


def test_what_dvc_did_not_build_is_not_registered(built: Built) -> None:
    params = built.params()
    weights = layout.MODELS / MODEL / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + b"?")
    with pytest.raises(
        MissingInput, match=r"models/dot-T1: got files that differ from its manifest: model.safetensors"
    ):
        register(params)
    weights.write_bytes(content)
    before = Path("dvc.lock").read_text()
    built.train(MODEL, seed=1)
    built.evaluate({})
    Path("dvc.lock").write_text(before)
    with pytest.raises(MissingInput, match=r"models/dot-T1: got files that differ from what DVC built, .* `dvc repro`"):
        register(params)
    Path("dvc.lock").unlink()
    with pytest.raises(MissingInput, match=r"dvc.lock: got nothing that DVC built"):
        register(params)


def test_collections_of_other_params_have_models_of_other_names(built: Built) -> None:
    names = set()
    for changed in ({}, {"dev_share": 0.2}, {"splits": {"train": "train", "test": "test"}}):
        built.values["collection"] = {"source": "beir", "location": "data/some.zip", **changed}
        names.add(registered_name(built.params(), MODEL))
    for services in ("all", ["ec2"], ["s3"]):
        built.values["collection"] = {
            "source": "aws-api-docs", "services": services, "minimum_words": 12, "dev_share": 0.02, "test_share": 0.02,
        }  # fmt: skip
        names.add(registered_name(built.params(), MODEL))
    assert len(names) == 6
    assert "aws-api-docs.dot-T1" in names


def test_the_demos_models_have_the_name_of_its_collection() -> None:
    """However many of its training queries have a label."""
    demo = read_params(ROOT / "params.yaml")
    assert registered_name(demo, MODEL) == "aws-api-docs.dot-T1"


def test_registering_waits_for_the_flow_that_changes_the_working_tree(built: Built, client: MlflowClient) -> None:
    built.params()
    held, done = threading.Event(), threading.Event()

    def flow() -> None:
        with alone_in_working_tree(print):
            held.set()
            done.wait()

    thread = threading.Thread(target=flow)
    thread.start()
    held.wait()
    # Somebody else's than the flow's.
    environment = {key: value for key, value in os.environ.items() if key != "DISTILRANK_OWN_WORKING_TREE"}
    process = subprocess.Popen(
        [*COMMAND, "register"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "another run is at work in this working tree" in process.stderr.readline()
    done.set()
    thread.join()
    said, _ = process.communicate()
    assert f"{name_of()} 1 new http://" in said
    assert aliases(client) == {"challenger": 1}


def test_a_model_that_is_not_there_is_refused(built: Built) -> None:
    with pytest.raises(ParamsError, match=r"got model 'colbert', expected one of \['T1', 'dot', 'dot-T1'\]"):
        promote(built.params(), "colbert")

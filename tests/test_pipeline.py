"""The whole pipeline on the tiny params, by `dvc repro` and by the flow, and what a user finds afterwards."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import numpy
import polars
import pytest
from moto.server import ThreadedMotoServer
from ruamel.yaml import YAML
from tests.conftest import ROOT, Command, write_graph_of

from distilrank.cli.main import app
from distilrank.data.collection import Collection
from distilrank.data.given_runs import given_candidates
from distilrank.errors import InputError
from distilrank.registry.packaged import PICKLES
from distilrank.sections.base import FileElsewhere

pytestmark = pytest.mark.slow(400)

CLONED = [
    "collections/README.md", ".dvc/config", ".dvc/plots/bars.json", ".dvc/plots/curves.json", ".dvcignore",
    ".gitignore", "code.yaml", "constraints.txt", "dvc.yaml",
]  # fmt: skip
MODELS = ["T1", "dot", "dot-T1", "tk-T1"]
RANKERS = ["bm25", *MODELS]
INDEXED = ["dot", "dot-T1"]
SYSTEMS = ["hybrid"]
FLOW = (sys.executable, "-m", "flows.distil")
# The services of the tiny params are not those that the collection comes with.
NAMED = r"aws-api-docs-[0-9a-f]{6}\."
RESTORED = {
    "distilrank teach T1", "distilrank distil dot", "distilrank distil dot --teacher T1", "distilrank encode dot-T1",
    "distilrank metrics", "distilrank latency", "distilrank audit",
} | {f"distilrank evaluate {name} collection" for name in RANKERS if name != "tk-T1"}  # fmt: skip
# Times differ from run to run, and the report shows them.
MEASURED = {
    "evaluation/audit.json",
    "evaluation/latency.json",
    "report/figures",
    "report/metrics",
    "report/report.html",
    "report/report.md",
}


def clone(directory: Path) -> Path:
    """What a clone of the repository holds, with the tiny params of one teacher."""
    for name in CLONED:
        source, target = ROOT / name, directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    write_params(directory, tiny_params())
    subprocess.run(["git", "init", "--quiet"], cwd=directory, check=True)
    return directory


def tiny_params() -> dict[str, Any]:
    """The tiny params of one teacher, of trained rankers alone and of a system."""
    values: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "tests" / "params.tiny.yaml")
    del values["teachers"]["T1b"], values["triples"]["few"]
    values |= {"ensembles": {}, "systems": {"hybrid": {"fuse": ["bm25", "dot-T1"], "by": "rrf", "depth": 20}}}
    values["matrix"]["teachers"] = ["T1"]
    values["evaluation"]["untrained"] = []
    return values


def write_params(project: Path, values: dict[str, Any]) -> None:
    YAML(typ="safe", pure=True).dump(values, project / "params.yaml")
    write_graph_of(project)


@pytest.fixture(scope="module")
def by_repro(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    project = clone(tmp_path_factory.mktemp("repro"))
    done = command(project, "dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture(scope="module")
def by_flow(by_repro: Path, tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """It builds one of every kind, and restores the others: what `dvc repro` built of them."""
    project = clone(tmp_path_factory.mktemp("flow"))
    cache = project / ".dvc" / "cache"
    shutil.copytree(by_repro / ".dvc" / "cache", cache, copy_function=os.link)
    for run in (cache / "runs").glob("*/*/*"):
        if YAML(typ="safe", pure=True).load(run)["cmd"] not in RESTORED:
            run.unlink()
    done = run_flow(project, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "git add" not in said
    assert (said.count("Restored"), said.count("Built")) == (
        len(RESTORED),
        len(locked(project)["stages"]) - len(RESTORED),
    )
    return project


def run_flow(project: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    return subprocess.run(
        FLOW, cwd=project, env=environment | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )


def locked(project: Path) -> dict[str, Any]:
    """dvc.lock, without the digests of what was measured."""
    lock: dict[str, Any] = YAML(typ="safe", pure=True).load(project / "dvc.lock")
    for stage in lock["stages"].values():
        for entry in [*stage.get("deps", []), *stage.get("outs", [])]:
            if entry["path"] in MEASURED:
                entry.update(md5="", size=0)
    return lock


def test_repro_and_the_flow_leave_the_same_lock(by_repro: Path, by_flow: Path) -> None:
    assert list(locked(by_repro)["stages"]) == list(locked(by_flow)["stages"])
    assert locked(by_repro) == locked(by_flow)


def test_each_finds_the_others_work_up_to_date(
    by_repro: Path, by_flow: Path, command: Command, environment: dict[str, str]
) -> None:
    before = (by_repro / "dvc.lock").read_bytes()
    flow = run_flow(by_repro, environment)
    assert flow.returncode == 0, flow.stdout + flow.stderr
    assert (flow.stdout + flow.stderr).count("UpToDate") == len(locked(by_repro)["stages"])
    assert (by_repro / "dvc.lock").read_bytes() == before
    assert "Data and pipelines are up to date." in command(by_flow, "dvc", "repro").stdout


def test_every_ranker_is_measured_and_timed(by_repro: Path, command: Command) -> None:
    metrics = json.loads((by_repro / "evaluation/metrics.json").read_text())
    assert list(metrics["rerank"]) == RANKERS
    assert list(metrics["retrieve"]) == ["bm25", *INDEXED, *SYSTEMS]
    times = json.loads((by_repro / "evaluation/latency.json").read_text())["milliseconds"]
    assert list(times["rerank"]) == RANKERS
    assert list(times["retrieve"]) == ["bm25", *INDEXED]
    assert "report/metrics/rankers/rerank/dot-T1.json" in command(by_repro, "dvc", "metrics", "show").stdout
    assert "dot-T1" in command(by_repro, "distilrank", "results").stdout


def test_counts_in_the_manifests_agree(by_repro: Path) -> None:
    def counts(directory: str) -> dict[str, int]:
        found: dict[str, int] = json.loads((by_repro / directory / "manifest.json").read_text())["counts"]
        return found

    passages = counts("data/collection")["passages"]
    assert passages == counts("data/tokens")["passages"] == counts("vectors/dot-T1")["passages"]
    for place in ("data/triples/bm25", "labels/bm25/T1", "models/T1", "models/dot-T1"):
        assert counts(place)["triples"] == 64, place
    assert 64 < counts("scores/bm25/T1")["scores"] <= 2 * 64
    assert counts("data/collection")["test queries"] == counts("evaluation/runs/collection/dot-T1")["queries"]


def test_nothing_is_pickled(by_flow: Path) -> None:
    folders = (
        "data",
        "models",
        "scores",
        "labels",
        "vectors",
        "indexes",
        "evaluation",
        "report",
        "mlruns",
        ".store",
        ".dvc/cache/files",
    )
    made = [file for folder in folders for file in (by_flow / folder).rglob("*") if file.is_file()]
    kept_by_digest = [file for file in made if ".dvc" in file.parts]
    assert {file.suffix for file in set(made) - set(kept_by_digest)} <= {
        ".faiss", ".json", ".npy", ".parquet", ".safetensors", ".trec", ".tsv", ".py", ".txt", ".yaml", ".html", "",
        ".md", ".svg", ".png", ".qrels",
    }  # fmt: skip
    assert len(made) > 100
    for file in made:
        with file.open("rb") as content:
            assert not content.read(4).startswith(PICKLES), file
    for file in made:
        if file.suffix == ".npy":
            numpy.load(file, allow_pickle=False)


def test_the_flow_registers_each_model_once(by_flow: Path, command: Command) -> None:
    again = command(by_flow, "distilrank", "register")
    assert again.returncode == 0, again.stderr
    words = [line.split() for line in again.stdout.splitlines()]
    assert [(version, state) for _, version, state, _ in words] == [("1", "known")] * len(MODELS)
    assert all(re.fullmatch(f"{NAMED}{model}", name) for model, (name, *_) in zip(MODELS, words, strict=True))
    for untrained in ("dot-start", "backbone"):
        refused = command(by_flow, "distilrank", "promote", untrained)
        assert refused.returncode == 2
        assert f"got model '{untrained}'" in refused.stderr
    refused = command(by_flow, "distilrank", "rollback", "dot-T1")
    assert refused.returncode == 2
    assert re.search(rf"{NAMED}dot-T1: got no champion", refused.stderr)


def test_a_fresh_clone_restores_every_stage(
    by_repro: Path, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    aws = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in aws.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="team")

    def dvc(directory: Path, *words: str) -> str:
        done = subprocess.run(
            ["dvc", *words], cwd=directory, env=environment | aws, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    dvc(by_repro, "remote", "add", "--local", "--default", "storage", "s3://team/dvc")
    dvc(by_repro, "push", "--run-cache")
    project = clone(tmp_path / "clone")
    shutil.copyfile(by_repro / "dvc.lock", project / "dvc.lock")
    dvc(project, "remote", "add", "--local", "--default", "storage", "s3://team/dvc")
    said = dvc(project, "repro", "--pull")
    server.stop()
    assert "Running stage" not in said
    assert (project / "dvc.lock").read_bytes() == (by_repro / "dvc.lock").read_bytes()
    for file in ("models/dot-T1/model.safetensors", "report/report.html", "vectors/dot/vectors.npy"):
        assert (project / file).read_bytes() == (by_repro / file).read_bytes()


def test_each_training_is_a_run_in_mlflow_with_test_metrics(by_repro: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{by_repro / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("distilrank")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    scoring = runs.pop("score-bm25-T1")
    scored = json.loads((by_repro / "scores/bm25/T1/manifest.json").read_text())["counts"]["scores"]
    assert scoring.info.status == "FINISHED"
    assert scoring.data.metrics["pairs"] == scored
    assert scoring.data.metrics["pairs per second"] > 0 < scoring.data.metrics["tokens per second"]
    assert 0 <= scoring.data.metrics["padding share"] < 1
    reported = runs.pop("report").info.run_id
    assert {"figures", "measures.parquet", "report.html", "report.md"} == {
        file.path for file in client.list_artifacts(reported)
    }
    assert sorted(runs) == sorted(MODELS)
    metrics = json.loads((by_repro / "evaluation/metrics.json").read_text())
    for name, run in runs.items():
        assert run.info.status == "FINISHED"
        assert run.data.metrics["rerank/nDCG_at_10"] == pytest.approx(metrics["rerank"][name]["nDCG@10"])
        steps = 2 if name == "tk-T1" else 6
        drawn = {"loss", "grad_norm", "padding", "tokens_per_second", "margin/student"}
        drawn |= {"margin/teacher"} if "-T" in name and "control" not in name else set()
        for key in drawn:
            assert len(client.get_metric_history(run.info.run_id, key)) == steps, (name, key)
        assert ("margin/teacher" in run.data.metrics) == ("margin/teacher" in drawn)
        curves = {"dev/nDCG_at_10", "dev/rerank/nDCG_at_10"}
        curves |= {"dev/retrieve/nDCG_at_10"} if name in INDEXED else set()
        assert {key for key in run.data.metrics if key.startswith("dev/")} == curves


def with_a_second_round() -> dict[str, Any]:
    """A student that starts from dot-T1, and learns from triples that BM25 and dot-T1's vectors found."""
    values = tiny_params()
    values["triples"]["mined"] = {
        "from": ["bm25", "dot-T1"], "ranks": [2, 20], "negatives": 3, "count": 24,
        "filter": {"teacher": "T1", "margin": 0.0},
    }  # fmt: skip
    values["students"]["dot2"] = values["students"]["dot"] | {"start": {"model": "dot-T1"}, "triples": "mined"}
    return values


def test_one_repro_builds_a_second_round_on_the_first(by_repro: Path, tmp_path: Path, command: Command) -> None:
    project = clone(tmp_path)
    shutil.copytree(by_repro / ".dvc" / "cache", project / ".dvc" / "cache", copy_function=os.link)
    write_params(project, with_a_second_round())
    done = command(project, "dvc", "repro", "distil@dot2-T1")
    assert done.returncode == 0, done.stdout + done.stderr
    built = re.findall(r"^> distilrank (.*)$", done.stdout, re.MULTILINE)
    # Which source is searched first is for DVC to say.
    assert sorted(built[:2]) == ["find mined bm25", "find mined dot-T1"]
    assert built[2:] == ["mine mined", "score T1 mined", "distil dot2 --teacher T1"]
    mined, found, model = (
        json.loads((project / place / "manifest.json").read_text())
        for place in ("data/triples/mined", "data/found/mined/dot-T1", "models/dot2-T1")
    )
    assert "vectors/dot-T1" in found["inputs"]
    assert {"data/found/mined/bm25", "data/found/mined/dot-T1", "models/T1"} <= mined["inputs"].keys()
    assert {"labels/mined/T1", "models/dot-T1"} <= model["inputs"].keys()
    assert (mined["counts"]["triples"], mined["counts"]["negatives filtered"] > 0) == (24, True)
    labels = polars.read_parquet(project / "labels/mined/T1/labels.parquet")
    assert labels["negative_ids"].list.len().to_list() == [3] * 24
    assert (labels["positive_score"] >= labels["negative_scores"].list.max()).all()
    # What mining scored is not scored again.
    [store] = (project / ".store/scores").iterdir()
    runs = [run["run"] for run in json.loads((store / "manifest.json").read_text())["runs"]]
    assert set(runs) == {"pairs scored by T1"}
    assert sum(run["pairs"] for run in json.loads((store / "manifest.json").read_text())["runs"]) >= 24 * 4
    again = command(project, "dvc", "repro", "distil@dot2-T1")
    assert "Data and pipelines are up to date." in again.stdout


def test_labels_are_looked_at(by_repro: Path) -> None:
    quality = json.loads((by_repro / "evaluation/labels.json").read_text())
    assert list(quality["teachers"]) == ["bm25/T1"]
    assert sum(quality["teachers"]["bm25/T1"]["histogram"]["counts"]) == 64


def test_search_answers_from_the_taught_students_index(by_repro: Path, command: Command) -> None:
    done = command(by_repro, "distilrank", "search", "delete a fleet in iot fleetwise", "--depth", "3")
    assert done.returncode == 0, done.stderr
    assert "dot-T1" in done.stdout
    assert "iotfleetwise:" in done.stdout


def test_what_an_index_finds_can_be_given_as_candidates(
    by_repro: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "dense.trec"
    done = command(by_repro, "distilrank", "retrieve", "dot-T1", str(run), "--split", "train", "--depth", "5")
    assert done.returncode == 0, done.stderr
    collection = Collection.read(by_repro / "data/collection")
    given, counts = given_candidates([FileElsewhere(location=str(run), checksum=None)], collection, drop=False)
    assert set(given["query_id"]) == set(collection.queries_of("train")["query_id"])
    assert given.group_by("query_id").len()["len"].unique().to_list() == [5]
    assert set(counts.values()) == {0}
    monkeypatch.chdir(by_repro)
    for where, split, refusal in (
        (str(run), "train", r"dense.trec: got an existing path"),
        ("other", "unlabelled", r"retrieve: got no queries"),
    ):
        with pytest.raises(InputError, match=refusal) as refused:
            app(["retrieve", "dot-T1", where, "--split", split], standalone_mode=False)
        assert refused.value.exit_code == 2


def test_a_query_is_text_and_not_markup(
    by_repro: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(by_repro)
    app(["search", "list [/bold] items"], standalone_mode=False)
    assert "[/bold]" in capsys.readouterr().out


def test_search_by_a_system_that_is_not_there_is_refused(by_repro: Path, command: Command) -> None:
    done = command(by_repro, "distilrank", "search", "delete a fleet", "--system", "T9")
    assert done.returncode == 2
    assert "got system 'T9', expected one of ['bm25', 'T1', 'dot'" in done.stderr


def test_the_report_holds_every_ranker(by_repro: Path) -> None:
    page = (by_repro / "report/report.html").read_text()
    assert all(ranker in page for ranker in RANKERS)

"""graph.yaml: which triples each teacher and student learns from, and by which command."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.conftest import ROOT, write_graph_of

from distilrank.config.derived import taught_to_search
from distilrank.config.graph import graph, graph_text
from distilrank.config.params import Params
from distilrank.config.params_file import read_params
from distilrank.errors import ParamsError


def with_rounds(tiny: Params) -> dict[str, Any]:
    """`tk` learns from `few`, `dot` from `bm25`, and of T1b in its batches; T9 is an import."""
    values: dict[str, Any] = tiny.model_dump()
    values["students"]["dot"]["in_batch"] = {"teacher": "T1b"}
    values["students"]["tk"]["triples"] = "few"
    values["imports"] = {"T9": {"location": "scores.tsv", "checksum": None}}
    values["matrix"] |= {"teachers": ["T2", "T9"], "controls_per_teacher": ["dot"], "seeds": [3]}
    return values


def test_a_student_learns_from_the_triples_that_it_names(tiny_params: Params) -> None:
    found = graph(Params.model_validate(with_rounds(tiny_params)))
    assert found["teach"] == {
        "T1": {"triples": "bm25", "tokens": "data/tokens"},
        "T1b": {"triples": "few", "tokens": "data/tokens"},
    }
    assert found["labelled"] == ["bm25", "few"]
    assert [*found["score"]] == ["bm25-T1", "bm25-T1b", "few-T1", "few-T1b"]
    assert ([*found["ensemble"]], found["import"]) == (["bm25-T2", "few-T2"], ["T9"])
    assert [*found["encode"]] == ["dot", "dot-T2", "dot-T9"]
    assert found["index"] == {
        f"dot-hnsw-{teacher}": {"entry": "dot-hnsw", "model": f"dot-{teacher}"} for teacher in ("T2", "T9")
    }
    assert {stage[key] for stage in found["distil"].values() for key in ("tokens", "start")} == {"data/tokens"}
    keys = ("student", "words", "learns_from", "in_batch")
    trainings = {model: tuple(stage[key] for key in keys) for model, stage in found["distil"].items()}
    own_seed = {
        "dot": ("dot", "dot", "data/triples/bm25", "data/tokens"),
        "dot-control-T2": ("dot", "dot --teacher T2 --control", "labels/bm25/T2", "data/tokens"),
        "dot-control-T9": ("dot", "dot --teacher T9 --control", "labels/imported/T9", "data/tokens"),
        "dot-T2": ("dot", "dot --teacher T2", "labels/bm25/T2", "models/T1b"),
        "dot-T9": ("dot", "dot --teacher T9", "labels/imported/T9", "models/T1b"),
        "tk-T2": ("tk", "tk --teacher T2", "labels/few/T2", "data/tokens"),
        "tk-T9": ("tk", "tk --teacher T9", "labels/imported/T9", "data/tokens"),
    }
    by_seed = {
        f"{model}~3": (student, f"{words} --seed 3", *places) for model, (student, words, *places) in own_seed.items()
    }
    assert trainings == own_seed | by_seed


def test_where_runs_alone_teach_no_triples_are_built(tiny_params: Params) -> None:
    """And the first student that searches is a taught one, though there is no control before it."""
    values = tiny_params.model_dump()
    values["triples"]["mined"] = {"from": ["bm25"], "ranks": [3, 10]}
    run = {"form": "run", "location": "run.trec", "checksum": None, "positive_ranks": 3}
    values |= {"teachers": {}, "ensembles": {}, "imports": {"R": run, "S": run}}
    values["matrix"] |= {"teachers": ["R", "S"], "controls": []}
    params = Params.model_validate(values)
    found = graph(params)
    assert not any(found[stage] for stage in ("triples", "find", "mine", "labelled", "score"))
    assert list(found["encode"]) == taught_to_search(params) == ["dot-R", "dot-S"]


def test_a_backbone_of_its_own_has_tokens_of_its_own(tiny_params: Params) -> None:
    values = tiny_params.model_dump()
    values["teachers"]["T1b"]["backbone"] = {"model": "albert-large-v2", "sha256": None, "own_vocabulary": True}
    values["students"]["dot"]["in_batch"] = {"teacher": "T1b"}
    found = graph(Params.model_validate(values))
    assert found["tokenize"] == {"T1b": {"section": "teachers"}}
    assert found["own_tokens"] == "data/own-tokens"
    assert found["teach"]["T1b"]["tokens"] == found["score"]["bm25-T1b"]["tokens"] == "data/own-tokens/T1b"
    taught = found["distil"]["dot-T1"]
    assert (taught["tokens"], taught["in_batch_tokens"]) == ("data/tokens", "data/own-tokens/T1b")


def test_dvc_reads_it(tiny_params: Params, tmp_path: Path) -> None:
    """The labels that a student learns from are made of its triples, and of no others."""
    for name in ("dvc.yaml", "code.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    YAML(typ="safe", pure=True).dump(with_rounds(tiny_params), tmp_path / "params.yaml")
    write_graph_of(tmp_path)
    subprocess.run(["dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    dag = ["dvc", "dag", "--outs", "--dot"]
    drawn = subprocess.run(dag, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    edges = set(re.findall(r'"([^"]+)" -> "([^"]+)"', drawn))

    def what_makes(place: str) -> set[str]:
        return {source for source, made in edges if made == place}

    assert what_makes("models/T1b") >= {"data/triples/few"}
    assert what_makes("labels/few/T2") == {"data/triples/few", "scores/few/T1", "scores/few/T1b"}
    trainings = graph(Params.model_validate(with_rounds(tiny_params)))["distil"]
    frozen = {model for model in trainings if "models/T1b" in what_makes(f"models/{model}")}
    assert frozen == {"dot-T2", "dot-T9", "dot-T2~3", "dot-T9~3"}
    labels = {
        model: {place for place in what_makes(f"models/{model}") if place.startswith(("labels", "data/triples"))}
        for model in ("dot", "dot-T2", "tk-T2", "tk-T2~3", "dot-control-T9")
    }
    assert labels == {
        "dot": {"data/triples/bm25"}, "dot-T2": {"labels/bm25/T2"}, "tk-T2": {"labels/few/T2"},
        "tk-T2~3": {"labels/few/T2"}, "dot-control-T9": {"labels/imported/T9"},
    }  # fmt: skip


def test_names_that_yaml_would_take_for_something_else_stay_names(tiny_params: Params) -> None:
    values = tiny_params.model_dump()
    values["triples"]["null"] = values["triples"]["bm25"]
    for student in values["students"].values():
        student["triples"] = "null"
    params = Params.model_validate(values)
    assert YAML(typ="safe").load(graph_text(params)) == {"graph": graph(params)}
    assert graph(params)["labelled"] == ["null"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("    triples: few", r"teachers.T1b.triples may name the entries \['bm25', 'few'\], not \['mined'\]"),
        ("    triples: few\n", r"teachers.T1b.triples must name one of \['bm25', 'few'\], not null"),
        ("  few:", r"triples.imported already names the triples of imports: choose another name"),
    ],
)
def test_names_of_triples_that_cannot_be_are_refused(change: str, message: str, tmp_path: Path) -> None:
    text = (ROOT / "tests" / "params.tiny.yaml").read_text()
    changed = {"    triples: few": "    triples: mined", "    triples: few\n": "", "  few:": "  imported:"}[change]
    (tmp_path / "params.yaml").write_text(text.replace(change, changed))
    with pytest.raises(ParamsError, match=message):
        read_params(tmp_path / "params.yaml")


def test_given_models_are_not_taught_and_read_tokens_of_their_own_on_every_collection(
    tiny_params: Params, tmp_path: Path
) -> None:
    values = tiny_params.model_dump()
    values["baselines"] = {"minilm": {"checkpoint": "minilm"}}
    values["evaluations"] = {"scifact": {"source": "beir", "location": "collections/scifact"}}
    values["teachers"]["CE"] = {"checkpoint": "some/checkpoint"}
    values["ensembles"]["T2"]["members"] = ["T1", "CE"]
    params = Params.model_validate(values)
    assert "CE" not in graph(params)["teach"]
    for name in ("dvc.yaml", "code.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    YAML(typ="safe", pure=True).dump(values, tmp_path / "params.yaml")
    write_graph_of(tmp_path)
    subprocess.run(["dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    dag = ["dvc", "dag", "--outs", "--dot"]
    drawn = subprocess.run(dag, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    edges = set(re.findall(r'"([^"]+)" -> "([^"]+)"', drawn))
    for made in ("data/own-tokens/CE", "models/CE"):
        assert {("data/collection", made), (made, "scores/bm25/CE"), (made, "evaluation/runs/collection/CE")} <= edges
    other = "data/evaluations/scifact"
    for made in ("data/own-tokens/minilm", "models/minilm"):
        assert {("data/collection", made), (made, "evaluation/runs/collection/minilm")} <= edges
    for like, made in (("data/tokens", "tokens"), ("data/own-tokens/CE", "own-tokens/CE")):
        assert {(like, f"{other}/{made}"), (f"{other}/collection", f"{other}/{made}")} <= edges
    assert {
        (f"{other}/collection", f"{other}/candidates"),
        ("data/own-tokens/minilm", f"{other}/own-tokens/minilm"),
    } <= edges
    assert not {(source, made) for source, made in edges if made == f"{other}/collection" and source != "collections"}
    assert ("data/tokens", "scores/bm25/CE") not in edges
    assert ("data/tokens", "scores/bm25/T1") in edges


@pytest.mark.parametrize("named", ["models:/teacher@champion", "models:/teacher", "models:/m-1234"])
def test_a_registered_teacher_is_named_by_its_version(tiny_params: Params, named: str) -> None:
    values = tiny_params.model_dump()
    values["teachers"]["CE"] = {"checkpoint": named}
    with pytest.raises(ValueError, match="must be models:/NAME/VERSION"):
        Params.model_validate(values)

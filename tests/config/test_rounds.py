"""Rounds: a student that learns from what an earlier one found, and starts from it; what needs itself is refused."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from distilrank.config.derived import control_of, start_of, starts
from distilrank.config.graph import graph
from distilrank.config.params import Params
from distilrank.config.params_file import read_params
from distilrank.errors import ParamsError

RUN = {"location": "run.trec", "checksum": None}


def two_rounds(tiny: Params) -> dict[str, Any]:
    """`dot2` starts from dot-T1 and learns from triples that dot-T1's index, BM25, T1b and a run found."""
    values: dict[str, Any] = tiny.model_dump()
    values["triples"]["mined"] = {
        "from": ["bm25", "dot-T1", "T1b", RUN],
        "ranks": [2, 20],
        "negatives": 3,
        "count": 20,
        "filter": {"teacher": "T1", "margin": 0.0},
    }
    values["students"]["dot2"] = values["students"]["dot"] | {"start": {"model": "dot-T1"}, "triples": "mined"}
    values["matrix"] |= {"controls": ["dot", "dot2"]}
    return values


def test_dvc_is_told_what_finds_filters_and_begins(tiny_params: Params) -> None:
    found = graph(Params.model_validate(two_rounds(tiny_params)))
    assert found["triples"] == ["bm25", "few"]
    assert {stage: (one["number"], one["model"], one["vectors"]) for stage, one in found["find"].items()} == {
        "mined-bm25": (0, "data/collection", "data/collection"),
        "mined-dot-T1": (1, "models/dot-T1", "vectors/dot-T1"),
        "mined-T1b": (2, "models/T1b", "models/T1b"),
        "mined-run-1": (3, "data/collection", "data/collection"),
    }
    assert found["mine"] == {"mined": {"filter": "models/T1", "tokens": "data/tokens"}}
    assert found["labelled"] == ["bm25", "mined"]
    began = {model: (stage["learns_from"], stage["start"]) for model, stage in found["distil"].items()}
    assert began["dot-T1"] == ("labels/bm25/T1", "data/tokens")
    assert began["dot2-T2"] == ("labels/mined/T2", "models/dot-T1")
    assert began["dot2"] == ("data/triples/mined", "models/dot-T1")


def test_a_control_that_starts_where_the_student_does_serves_every_teacher(tiny_params: Params) -> None:
    params = Params.model_validate(two_rounds(tiny_params))
    assert [control_of(params, "dot2", teacher) for teacher in ("T1", "T2")] == ["dot2", "dot2"]
    assert {start_of(params, "dot2", teacher).name for teacher in ("T1", "T2")} == {"dot2-start"}
    values = two_rounds(tiny_params)
    # T1 has two layers, of which a student takes the upper one.
    values["students"]["dot2"]["start"] = {"model": "teacher", "layers": [1]}
    values["matrix"] |= {"teachers": ["T1"], "controls": ["dot", "dot2"]}
    params = Params.model_validate(values)
    assert control_of(params, "dot2", "T1") is None
    assert [(start.name, str(start.source)) for start in starts(params)] == [
        ("dot-start", "minilm"), ("tk-start", "minilm"), ("dot2-start-T1", "T1 (1)"),
    ]  # fmt: skip
    values["matrix"] |= {"controls_per_teacher": ["dot2"]}
    params = Params.model_validate(values)
    assert control_of(params, "dot2", "T1") == "dot2-control-T1"
    stages = graph(params)["distil"]
    assert {stages[name]["start"] for name in ("dot2-T1", "dot2-control-T1")} == {"models/T1"}
    assert stages["dot2"]["start"] == "data/tokens"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("triples", "mined", "from"), ["dot2-T1"], "triples.mined needs dot2-T1, which needs triples.mined: a circle"),
        (("teachers", "T1", "triples"), "mined", "needs dot-T1, which needs T1, which needs triples.mined"),
        (("teachers", "T1b", "triples"), "mined", "triples.mined needs T1b, which needs triples.mined: a circle"),
        (("students", "dot2", "start"), {"model": "dot2-T1"}, "dot2-T1 needs dot2-T1: a circle"),
        (("students", "dot", "start"), {"model": "dot2-T1"}, "dot-T1, which needs dot2-T1, which needs triples.mined"),
        (("triples", "mined", "from"), ["tk-T1"], "triples.mined.from may name bm25 and the dense models"),
        (("triples", "mined", "from"), ["dot-T9"], r"'dot2-T2'\], not \['dot-T9'\]"),
        (("triples", "mined", "from"), ["bm25", "bm25"], "name each source in from once"),
        (("triples", "mined", "ranks"), [9, 3], r"ranks are \[9, 3\]: the first must not be beyond the last"),
        (("triples", "mined", "filter"), {"teacher": "T2"}, r"filter may name the teachers \['T1', 'T1b'\], not 'T2'"),
        (("students", "dot2", "start"), {"model": "dot-T9"}, "students.dot2.start may name the models"),
        (("students", "dot2", "start"), {"model": "tk-T1"}, "cannot start from tk-T1, which has no transformer"),
        (("students", "dot2", "start"), {"model": "T1", "layers": [2]}, "cannot start from T1, which has 2 layers"),
        (("students", "dot2", "start"), {"model": "T1", "layers": [0, 1]}, r"are \[0, 1\], and ranker.layers is 1"),
        (("students", "tk", "start"), {"model": "T1", "layers": [0, 1]}, "tk has no layers to start from"),
        (("students", "dot2", "start"), {"model": "bm25"}, "start.model cannot be bm25"),
        (("students", "dot2", "start"), {"models": "T1"}, "students.dot2.start.models: got an unknown key"),
        (("students", "dot2", "start"), "minilm", "start: got 'minilm', expected 'backbone' or 'teacher'"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused(
    path: tuple[str, ...], value: object, expected: str, tiny_params: Params, tmp_path: Path
) -> None:
    values = two_rounds(tiny_params)
    *into, last = path
    section = values
    for key in into:
        section = section[key]
    section[last] = value
    YAML(typ="safe", pure=True).dump(values, tmp_path / "params.yaml")
    with pytest.raises(ParamsError, match=expected):
        read_params(tmp_path / "params.yaml")


def test_an_ensemble_waits_for_every_teacher_though_bm25_has_no_model(tiny_params: Params) -> None:
    values = two_rounds(tiny_params)
    values["ensembles"] = {"T2": {"members": ["T1", "bm25"], "combine": "mean", "scale": "z"}}
    values["triples"]["mined"] |= {"from": ["dot-T2"], "filter": None}
    values["teachers"]["T1b"]["triples"] = "mined"
    with pytest.raises(ValueError, match=r"T1b.*: a circle"):
        Params.model_validate(values)


def test_a_start_from_the_registry_is_a_given_teacher(tiny_params: Params) -> None:
    values = two_rounds(tiny_params)
    values["students"]["dot2"]["start"] = {"model": "models:/a.T1/3"}
    with pytest.raises(ValueError, match="make a registered model a teacher by its checkpoint"):
        Params.model_validate(values)

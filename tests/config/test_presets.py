"""Presets: each is whole and right, and takes the place of another, never of a user's own params."""

from pathlib import Path

import pytest
from tests.conftest import ROOT

from distilrank.config.derived import control_of, model_names
from distilrank.config.params import Params
from distilrank.config.params_file import read_params
from distilrank.config.presets import use_preset
from distilrank.data.sources.msmarco_passage import MsMarcoPassage

PRESETS = {file.stem: read_params(file) for file in (ROOT / "presets").glob("*.yaml")}


def test_the_default_params_are_a_preset() -> None:
    assert (ROOT / "params.yaml").read_text() == (ROOT / "presets" / "aws-api-docs.yaml").read_text()


def test_presets_replace_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "presets").symlink_to(ROOT / "presets")
    monkeypatch.chdir(tmp_path)
    for name, params in PRESETS.items():
        use_preset(name)
        assert read_params() == params


def architectures(params: Params) -> set[str]:
    return {student.ranker.architecture for student in params.students.values()}


def test_the_paper_is_every_architecture_alone_and_with_a_teacher_and_an_ensemble_of_three_cats() -> None:
    paper = PRESETS["paper"]
    assert architectures(paper) == {"cat", "prettr", "colbert", "dot", "tk"}
    assert paper.matrix.teachers == ["T1", "T2"]
    assert all(control_of(paper, student, teacher) for student in paper.students for teacher in paper.matrix.teachers)
    members = [paper.teachers[name] for name in paper.ensembles["T2"].members]
    assert {member.ranker.architecture for member in members} == {"cat"}
    assert len({member.training.seed for member in members}) == len(members) == 3
    assert len({str(member.triples) for member in members}) == 3
    assert len({str(member.ranker) for member in members}) > 1


def test_ms_marcos_preset_has_the_papers_settings() -> None:
    params = PRESETS["msmarco-passage"]
    assert architectures(params) == {"cat", "prettr", "colbert", "dot", "tk"}
    assert (params.tokens.query_length, params.tokens.passage_length, params.candidates.depth) == (30, 200, 1000)
    assert params.matrix.teachers == ["T1", "T2"]
    assert set(params.matrix.controls) == set(params.students)
    trained = [*params.teachers.values(), *params.students.values()]
    assert {one.training.batch_size for one in trained} == {32}
    assert {one.training.learning_rate for one in trained if one.ranker.architecture != "tk"} == {7e-6}
    assert params.students["tk"].training.part_learning_rates == {"kernels": 1e-4}
    assert isinstance(params.collection, MsMarcoPassage)
    assert isinstance(params.evaluation.minimum_relevance, dict)
    assert params.evaluation.minimum_relevance.keys() == params.collection.splits.keys() - {"train", "dev"}
    [table] = [
        one for one in params.report.expected if (one.test_set, one.task, one.measure) == ("dl19", "rerank", "nDCG@10")
    ]
    assert set(table.figures) == {"bm25", *model_names(params)}
    assert all(control_of(params, student, "T1") == student for student in params.students)
    # Its triples are a file of their own.
    assert all(control_of(params, student, "T2") is None for student in params.students)


def test_the_ablation_is_three_losses_on_three_students_with_a_control_each() -> None:
    ablation = PRESETS["ablation"]
    compared = {(student.ranker.architecture, student.loss.name) for student in ablation.students.values()}
    losses = ("mse", "weighted-ranknet", "margin-mse")
    assert compared == {(architecture, loss) for architecture in ("colbert", "dot", "tk") for loss in losses}
    for name, student in ablation.students.items():
        assert control_of(ablation, name, "T1") == student.ranker.architecture

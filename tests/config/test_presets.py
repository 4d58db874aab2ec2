"""Presets: each is whole and right, and takes the place of another, never of a user's own params."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.conftest import ROOT

from distilrank.config.derived import control_of, model_names, ranker_names
from distilrank.config.params import Params
from distilrank.config.params_file import read_params
from distilrank.config.presets import DEFAULT, preset_texts, use_preset
from distilrank.config.validation_cost import costly_validations
from distilrank.data.sources.msmarco_passage import MsMarcoPassage
from distilrank.errors import InputError
from distilrank.rankers.tk.params import TkParams
from distilrank.sections.training import Plateau

TEXTS = preset_texts(ROOT / "presets")


def loaded(text: str) -> dict[str, Any]:
    values: dict[str, Any] = YAML(typ="safe").load(text)
    return values


PRESETS = {name: Params.model_validate(loaded(text)) for name, text in TEXTS.items()}


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of presets of a project without params: the working directory."""
    monkeypatch.chdir(tmp_path)
    folder = Path("presets")
    folder.mkdir()
    for file in (ROOT / "presets").iterdir():
        (folder / file.name).write_text(file.read_text())
    return folder


def test_params_yaml_is_what_init_writes(presets: Path) -> None:
    """Where this fails: `distilrank init`."""
    use_preset()
    assert Path("params.yaml").read_text() == (ROOT / "params.yaml").read_text()


def test_presets_replace_one_another_and_never_a_users_own(presets: Path) -> None:
    for name, text in TEXTS.items():
        use_preset(name)
        assert Path("params.yaml").read_text() == text
        assert read_params() == PRESETS[name]
    Path("params.yaml").write_text(f"{text}# mine\n")
    with pytest.raises(InputError, match=r"params.yaml: got params of your own"):
        use_preset(DEFAULT)


@pytest.mark.parametrize("name", TEXTS)
def test_validations_of_a_preset_cost_little_beside_its_trainings(name: str) -> None:
    assert [*costly_validations(PRESETS[name])] == []


@pytest.mark.parametrize("name", TEXTS)
def test_a_preset_is_read_with_ease(name: str) -> None:
    """The same sections in the same order, lines of 120 columns, comments in one column where lines are short."""
    assert [*loaded(TEXTS[name])] == [*loaded(TEXTS[DEFAULT])]
    assert all(len(line) <= 120 for line in TEXTS[name].splitlines())
    behind = [line.index(" # ") for line in TEXTS[name].splitlines() if " # " in line]
    assert min(behind) >= 26


@pytest.mark.parametrize("name", sorted(TEXTS.keys() - {DEFAULT}))
def test_a_preset_holds_what_differs_from_the_defaults(name: str) -> None:
    defaults = loaded(TEXTS[DEFAULT])
    for section, own in loaded((ROOT / "presets" / f"{name}.yaml").read_text()).items():
        assert own != defaults[section]
        if own and section not in {"teachers", "students", "collection", "triples", "indexes"}:
            same = [
                key for key in own if isinstance(defaults[section], dict) and own[key] == defaults[section].get(key)
            ]
            assert same == [], section


def test_a_preset_is_laid_over_the_defaults(presets: Path) -> None:
    """Key by key; entries and sections of another kind whole; with the comments of both."""
    (presets / "mine.yaml").write_text(
        """\
# What it is for.

triples:
  mine: {location: mine.tsv, checksum: null, columns: ids}

imports:
  T3: {location: scores.tsv, checksum: null}

teachers:
  A:
    ranker: {architecture: cat, layers: 2}
    training: {steps: 10, learning_rate: 1e-4, validate_every: 10}

matrix:
  teachers: [A, T3]
  seeds: [7]               # lucky

candidates:
  # as measured
  k1: 0.9
  depth: 50

collection:
  minimum_words: 3
"""
    )
    use_preset("mine")
    text = Path("params.yaml").read_text()
    values, defaults = loaded(text), loaded(TEXTS[DEFAULT])
    assert [*values] == [*defaults]
    assert values["triples"] == {"mine": {"location": "mine.tsv", "checksum": None, "columns": "ids"}}
    assert values["teachers"].keys() == {"A"}
    assert values["imports"].keys() == {"T3"}
    assert values["students"] == defaults["students"]
    assert values["matrix"] == defaults["matrix"] | {"teachers": ["A", "T3"], "seeds": [7]}
    assert [*values["candidates"]] == [*defaults["candidates"]]
    assert values["candidates"] == defaults["candidates"] | {"k1": 0.9, "depth": 50}
    assert values["collection"] == defaults["collection"] | {"minimum_words": 3}
    lines = text.splitlines()
    assert lines[0] == "# What it is for."
    assert "  seeds: [7]               # lucky" in lines
    assert "  depth: 50                # passages per query" in lines
    assert lines[lines.index("  k1: 0.9") - 1] == "  # as measured"
    assert "  precision: float32       # or tf32, bfloat16 or float16, on a GPU" in lines


def test_presets_are_looked_for_at_the_root_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"presets/aws-api-docs.yaml: got no such file.*root of the project"):
        use_preset()


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
    assert isinstance(params.collection, MsMarcoPassage)
    assert isinstance(params.evaluation.minimum_relevance, dict)
    assert params.evaluation.minimum_relevance.keys() == params.collection.splits.keys() - {"train", "dev"}
    [table] = [
        one for one in params.report.expected if (one.test_set, one.task, one.measure) == ("dl19", "rerank", "nDCG@10")
    ]
    assert set(table.figures) == {"bm25", *model_names(params)}
    assert all(control_of(params, student, "T1") == student for student in params.students)
    assert params.evaluation.precision == params.scoring.precision == "bfloat16"
    # Its triples are a file of their own.
    assert all(control_of(params, student, "T2") is None for student in params.students)


def test_ms_marcos_trainings_are_matchmakers() -> None:
    """Its config/train/defaults.yaml and models/tk.yaml."""
    params = PRESETS["msmarco-passage"]
    trained = [one.training for one in (*params.trained_teachers().values(), *params.students.values())]
    plateau = Plateau(patience=15, factor=0.25)
    assert {(one.schedule, one.plateau, one.warmup_share) for one in trained} == {("plateau", plateau, 0)}
    assert {(one.validate_every, one.patience, one.max_gradient_norm) for one in trained} == {(4000, 30, None)}
    tk = params.students["tk"]
    assert tk.training.learning_rate == 1e-5
    assert tk.training.part_learning_rates == {"kernels": 1e-4, "embeddings": 7e-6}
    assert tk.training.precision == "float32"
    assert isinstance(tk.ranker, TkParams)
    assert (tk.ranker.layers, tk.ranker.feed_forward) == (2, 300)
    assert tk.ranker.glove
    assert tk.ranker.glove.location.endswith("#glove.42B.300d.txt")


@pytest.mark.parametrize("name", TEXTS)
def test_figures_that_a_preset_states_are_of_its_own_collection_and_rankers(name: str) -> None:
    params = PRESETS[name]
    for one in params.report.expected:
        assert one.collection == params.collection.called
        assert one.figures.keys() <= {"bm25", *ranker_names(params)}


def test_the_ablation_is_three_losses_on_three_students_with_a_control_each() -> None:
    ablation = PRESETS["ablation"]
    compared = {(student.ranker.architecture, student.loss.name) for student in ablation.students.values()}
    losses = ("mse", "weighted-ranknet", "margin-mse")
    assert compared == {(architecture, loss) for architecture in ("colbert", "dot", "tk") for loss in losses}
    for name, student in ablation.students.items():
        assert control_of(ablation, name, "T1") == student.ranker.architecture

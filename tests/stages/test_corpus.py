"""A folder of texts and one command: students, what they reach beside BM25 and their start, and on whose queries."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.conftest import ROOT, Command, write_graph_of
from tests.stages.test_imported_teacher import commands_of_dvc
from tests.test_pipeline import clone

pytestmark = pytest.mark.slow(40)

WORDS = ["heart", "valve", "blood", "cancer", "gene", "cell", "bone", "skin", "nerve", "lung", "liver", "brain"]
SMALL: dict[str, dict[str, Any]] = {
    "pseudo_queries": {"dev_share": 0.2, "test_share": 0.2, "minimum_words": 3},
    "tokens": {"query_length": 12, "passage_length": 24},
    "candidates": {"depth": 20, "train_depth": 20},
    "triples": {"bm25": {"count": 32, "negatives": 1, "negatives_from": 10}},
    "validation": {"queries": 10, "depth": 5, "passages": 50},
    "evaluation": {"depth": 10},
    "latency": {"queries": 2},
}


def project_of(folder: Path) -> Path:
    """A clone with the presets, and a corpus of 66 texts: of each pair of words one."""
    project = clone(folder)
    (project / "params.yaml").unlink()
    shutil.copytree(ROOT / "presets", project / "presets")
    texts = project / "collections" / "texts"
    texts.mkdir()
    for number, (one, other) in enumerate((one, other) for one in WORDS for other in WORDS if one < other):
        body = f"What the {one} has to do with the {other}. " + f"{one} {other} number {number}. " * 3
        (texts / f"{one}-{other}.md").write_text(f"# The {one} and the {other}\n\n{body}\n")
    return project


def shrink(project: Path) -> None:
    """To the sizes of the tiny params; what the preset chose stays."""
    yaml = YAML(typ="safe", pure=True)
    values = yaml.load(project / "params.yaml")
    for section, keys in SMALL.items():
        values[section] |= keys
    for student in values["students"].values():
        student["ranker"]["layers"] = 1
        student["training"] |= {"steps": 4, "batch_size": 4, "validate_every": 2}
    yaml.dump(values, project / "params.yaml")
    write_graph_of(project)


def test_texts_alone_make_students_and_a_report_that_says_on_whose_queries(tmp_path: Path, run_here: Command) -> None:
    """By the commands that `dvc repro` runs."""
    project = project_of(tmp_path)
    begun = run_here(project, "distilrank", "init", "--preset", "corpus", "--passages", "collections/texts")
    assert (begun.returncode, begun.stderr) == (0, "")
    assert run_here(project, "distilrank", "check").returncode == 0
    shrink(project)
    for words in commands_of_dvc(project):
        done = run_here(project, *words.split())
        assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((project / "evaluation/metrics.json").read_text())
    assert [*metrics] == ["pseudo/rerank", "pseudo/retrieve"]
    rerank = metrics["pseudo/rerank"]
    assert {"bm25", "T1", "dot-start", "dot", "dot-T1", "colbert-start", "colbert-T1"} <= set(rerank)
    told = run_here(project, "distilrank", "results").stdout
    sentence = next(line for line in told.splitlines() if line.startswith("On queries made of passages held out"))
    found = dict(re.findall(r"(\S+) reaches (\d\.\d{3})", sentence))
    student = next(iter(found))
    assert [*found] in (["dot-T1", "bm25", "dot-start"], ["colbert-T1", "bm25", "colbert-start"])
    assert found == {name: f"{rerank[name]['nDCG@10']:.3f}" for name in found}
    for place in ("report/report.html", "report/report.md"):
        page = " ".join((project / place).read_text().split())
        assert page.index(f"On queries made of passages held out, {student} reaches") < page.index("Within 50")


def test_passages_that_cannot_be_read_so_are_refused_before_anything_is_written(
    tmp_path: Path, run_here: Command
) -> None:
    project = project_of(tmp_path)
    for words, refusal in (
        (["--preset", "corpus", "--passages", "absent.tsv"], "--passages: got 'absent.tsv', which is not there"),
        (["--preset", "beir", "--passages", "collections/texts"], "add --preset corpus"),
        (["--passages", "collections/texts"], "add --preset corpus"),
    ):
        refused = run_here(project, "distilrank", "init", *words)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert refusal in refused.stderr
        assert not (project / "params.yaml").exists()
    (project / "own.tsv").write_text("a\tan apple\n")
    noted = run_here(project, "distilrank", "init", "--preset", "corpus", "--passages", "own.tsv")
    assert "note: DVC does not see own.tsv change" in noted.stdout
    assert 'location: "own.tsv"' in (project / "params.yaml").read_text()

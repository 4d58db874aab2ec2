"""A folder of texts and one command: students, what they reach beside BM25 and their start, and on whose queries."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.conftest import Command, write_graph_of
from tests.stages.test_imported_teacher import commands_of_dvc

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


def texts_in(folder: Path) -> None:
    """A corpus of 66 texts: of each pair of words one."""
    texts = folder / "collections" / "texts"
    texts.mkdir(parents=True)
    for number, (one, other) in enumerate((one, other) for one in WORDS for other in WORDS if one < other):
        body = f"What the {one} has to do with the {other}. " + f"{one} {other} number {number}. " * 3
        (texts / f"{one}-{other}.md").write_text(f"# The {one} and the {other}\n\n{body}\n")


def shrink(project: Path) -> None:
    """To the sizes of the tiny params, and one student; what else the preset chose stays."""
    yaml = YAML(typ="safe", pure=True)
    values = yaml.load(project / "params.yaml")
    for section, keys in SMALL.items():
        values[section] |= keys
    student = values["students"]["dot"]
    student["ranker"]["layers"], student["start"]["layers"] = 1, [1]
    student["training"] |= {"budget": None, "steps": 4, "batch_size": 4, "validate_every": 2}
    values["students"] = {"dot": student}
    values["systems"] = {"hybrid": {"fuse": ["bm25", "dot-T1"], "by": "rrf", "depth": 20}}
    yaml.dump(values, project / "params.yaml")
    write_graph_of(project)


def test_texts_alone_make_students_and_a_report_that_says_on_whose_queries(tmp_path: Path, run_here: Command) -> None:
    """By the commands that `dvc repro` runs."""
    project = tmp_path
    texts_in(project)
    begun = run_here(project, "distilrank", "init", "--preset", "corpus", "--passages", "collections/texts")
    assert begun.returncode == 0, begun.stderr
    assert "note:" not in begun.stdout
    assert run_here(project, "distilrank", "check").returncode == 0
    shrink(project)
    for words in commands_of_dvc(project):
        done = run_here(project, *words.split())
        assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((project / "evaluation/metrics.json").read_text())
    assert [*metrics] == ["pseudo/rerank", "pseudo/retrieve"]
    rerank = metrics["pseudo/rerank"]
    assert {"bm25", "T1", "dot-start", "dot", "dot-T1"} <= set(rerank)
    told = run_here(project, "distilrank", "results").stdout
    sentence = next(line for line in told.splitlines() if line.startswith("On queries made of passages held out"))
    found = dict(re.findall(r"(\S+) reaches (\d\.\d{3})", sentence))
    assert found == {name: f"{rerank[name]['nDCG@10']:.3f}" for name in ("dot-T1", "bm25", "dot-start")}
    for place in ("report/report.html", "report/report.md"):
        page = " ".join((project / place).read_text().split())
        assert page.index("On queries made of passages held out, dot-T1 reaches") < page.index("the test queries")


def test_passages_that_cannot_be_read_so_are_refused_before_anything_is_written(
    tmp_path: Path, run_here: Command
) -> None:
    project = tmp_path
    texts_in(project)
    for words, refusal in (
        (["--preset", "corpus", "--passages", "absent.tsv"], "--passages: got 'absent.tsv', which is not there"),
        (["--preset", "beir", "--passages", "collections/texts"], "add --preset corpus"),
        (["--passages", "collections/texts"], "add --preset corpus"),
    ):
        refused = run_here(project, "distilrank", "init", *words)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert refusal in refused.stderr
        assert [file.name for file in project.iterdir()] == ["collections"]
    (project / "own.tsv").write_text("a\tan apple\n")
    noted = run_here(project, "distilrank", "init", "--preset", "corpus", "--passages", "own.tsv")
    assert "note: DVC does not see own.tsv change" in noted.stdout
    assert 'location: "own.tsv"' in (project / "params.yaml").read_text()

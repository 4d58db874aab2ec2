"""An architecture, a loss and a source of another package, which DistilRank finds by their entry points."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML
from sentence_transformers import SentenceTransformer
from tests.conftest import ROOT

from distilrank.artifacts.manifest import read_manifest

pytestmark = pytest.mark.slow(25)

HERE = Path(__file__).parent
TOY = HERE / "toy"


def with_toy(directory: Path, *words: str, installed: Path = TOY) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *words], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


def write_params(project: Path) -> None:
    """A teacher by the toy loss, and a student of the toy architecture, which is indexed."""
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load(ROOT / "tests" / "params.tiny.yaml")
    teacher, student = params["teachers"]["T1"], params["students"]["dot"]
    params |= {
        "teachers": {"T1": teacher | {"loss": {"name": "hinge", "width": 2.0}}},
        "ensembles": {},
        "students": {"bag": student | {"ranker": {"architecture": "bag"}, "control_loss": {"name": "hinge"}}},
    }
    params["matrix"] |= {"teachers": ["T1"], "controls": ["bag"]}
    params |= {"indexes": {"bag": {"kind": "flat"}}, "audit": {"floors": {}}}
    with (project / "params.yaml").open("w") as file:
        yaml.dump(params, file)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("toy")
    write_params(project)
    done = with_toy(project, str(HERE / "every_stage.py"))
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def test_it_is_trained_scored_and_measured(built: Path) -> None:
    assert read_manifest(built / "models/T1").params["loss"] == {"name": "hinge", "width": 2.0}
    assert read_manifest(built / "models/bag-T1").params["ranker"]["architecture"] == "bag"
    metrics = json.loads((built / "evaluation/metrics.json").read_text())
    assert {"bag-start", "bag", "bag-T1"} <= set(metrics["rerank"])
    assert {"bag", "bag-T1"} <= set(metrics["retrieve"])
    assert "bag, taught by T1" in (built / "report/report.html").read_text()


def test_it_searches(built: Path) -> None:
    hits = json.loads((built / "hits.json").read_text())
    assert len(hits) == 3
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)


def test_its_export_encodes_as_it_does(built: Path) -> None:
    exported = SentenceTransformer(str(built / "exported"), device="cpu")
    texts = ["delete a fleet", "list all queues of an account"]
    np.testing.assert_allclose(exported.encode(texts), np.load(built / "encoded.npy"), atol=1e-5)


def test_the_source_that_the_page_shows_passes_its_test(tmp_path: Path) -> None:
    section = (ROOT / "docs" / "extending.md").read_text().partition("## A source of collections")[2]
    source, test = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package/faq.py").write_text(source)
    (tmp_path / "test_faq.py").write_text(test)
    shutil.copytree(TOY / "toy-1.0.dist-info", tmp_path / "toy-1.0.dist-info")
    declared = "[distilrank.sources]\nfaq = my_package.faq:Faq\n"
    (tmp_path / "toy-1.0.dist-info/entry_points.txt").write_text(declared)
    done = with_toy(tmp_path, "-m", "pytest", "test_faq.py", installed=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_a_name_that_is_taken_is_refused_in_one_line(tmp_path: Path) -> None:
    shutil.copytree(TOY, tmp_path / "other")
    (tmp_path / "other/toy-1.0.dist-info/entry_points.txt").write_text("[distilrank.losses]\nmse = toy_hinge:Hinge\n")
    write_params(tmp_path)
    done = with_toy(tmp_path, "-m", "distilrank.cli", "check", installed=tmp_path / "other")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "distilrank: entry point distilrank.losses: mse of toy: got a name that is taken, expected a name of its own; "
        "rename the entry point"
    ]


def test_an_entry_point_that_cannot_be_imported_is_refused_in_one_line(tmp_path: Path) -> None:
    shutil.copytree(TOY, tmp_path / "other")
    (tmp_path / "other/toy_hinge.py").unlink()
    write_params(tmp_path)
    done = with_toy(tmp_path, "-m", "distilrank.cli", "check", installed=tmp_path / "other")
    assert done.returncode == 2
    assert done.stderr.startswith("distilrank: entry point distilrank.losses: hinge of toy: got No module named")

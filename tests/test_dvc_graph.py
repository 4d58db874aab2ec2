"""dvc.yaml against the code: each stage depends on the digest of what it imports."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.conftest import ROOT, write_graph_of

from distilrank.artifacts import layout
from distilrank.artifacts.code import Code
from distilrank.artifacts.own_imports import PACKAGE
from distilrank.config.graph import GRAPH_FILE, graph_text
from distilrank.config.names import IMPORTED
from distilrank.config.params_file import read_params

GRAPH: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
STAGES = {name: stage.get("do", stage) for name, stage in GRAPH.items()}
CODE: dict[str, str] = YAML(typ="safe", pure=True).load(ROOT / "code.yaml")


def test_each_stage_names_the_digest_of_its_code_and_no_file_of_it() -> None:
    named = {name: stage["cmd"].split()[1].replace("-", "_") for name, stage in STAGES.items()}
    assert set(named.values()) == set(CODE)
    for name, stage in STAGES.items():
        assert {"code.yaml": [named[name]]} in stage["params"], name
        assert not [path for path in stage["deps"] if path.startswith(("src", "constraints"))], name


def test_code_yaml_is_fresh() -> None:
    code = Code(PACKAGE, ROOT / "constraints.txt")
    assert {stage: code.digest(stage) for stage in CODE} == CODE, "the code has changed: run `distilrank lock`"


def test_graph_yaml_is_fresh() -> None:
    params = read_params(ROOT / "params.yaml")
    assert (ROOT / GRAPH_FILE).read_text() == graph_text(params), "params.yaml has changed: run `distilrank lock`"


def test_the_outputs_stand_where_the_code_writes_them() -> None:
    outputs = {str(path) for stage in STAGES.values() for path in [*stage.get("outs", []), *stage.get("metrics", [])]}
    places = {output.partition("/${")[0] for output in outputs}
    imported = {str(layout.LABELS / IMPORTED)}
    written = {str(value) for value in vars(layout).values() if isinstance(value, Path)}
    assert places - imported == written - {str(layout.MEASURES)} | {str(layout.MEASURES.parent)}
    assert imported < places


def test_no_output_persists_or_escapes_the_cache() -> None:
    """Either would turn DVC's run-cache off."""
    for stage in STAGES.values():
        assert all(isinstance(output, str) for output in [*stage.get("outs", []), *stage.get("metrics", [])])


@pytest.mark.parametrize("name", ["latency", "report"])
def test_a_stage_over_all_models_runs_again_when_the_params_name_others(name: str) -> None:
    """A model that comes back from the cache changes no file: only the params tell that it is asked for again."""
    assert {"matrix", "students", "teachers"} <= {key for key in STAGES[name]["params"] if isinstance(key, str)}


def test_more_seeds_are_more_stages(tmp_path: Path) -> None:
    for name in ("dvc.yaml", "code.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    tiny = (ROOT / "tests" / "params.tiny.yaml").read_text()
    (tmp_path / "params.yaml").write_text(tiny.replace("seeds: []", "seeds: [2, 3]"))
    write_graph_of(tmp_path)
    subprocess.run(["dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    drawn = subprocess.run(["dvc", "dag", "--outs", "--dot"], cwd=tmp_path, capture_output=True, text=True, check=True)
    models = ["dot", *(f"{student}-{teacher}" for student in ("dot", "tk") for teacher in ("T1", "T2"))]
    seeded = {f"{model}~{seed}" for model in models for seed in (2, 3)}
    places = {place for place in re.findall(r'"([^"]+)"', drawn.stdout) if "~" in place}
    assert places == {f"{folder}/{name}" for folder in ("models", "evaluation/runs/collection") for name in seeded}
    # All of them are measured.
    assert all(f'"models/{name}" -> "evaluation/runs/collection/{name}"' in drawn.stdout for name in seeded)

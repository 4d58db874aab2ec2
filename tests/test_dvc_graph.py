"""dvc.yaml against the code: each stage depends on what it imports, and on nothing else of ours."""

import ast
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.conftest import ROOT

from distilrank.artifacts import layout

PACKAGE = ROOT / "src" / "distilrank"
STAGES: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]


def imported_by(file: Path) -> set[Path]:
    """The first-party files that a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "distilrank":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {path for name in [node.module or "", *names] if (path := source_of(name))}
    return found


def source_of(module: str) -> Path | None:
    path = ROOT / "src" / Path(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def reached_from(file: Path) -> set[Path]:
    reached: set[Path] = set()
    waiting = {file}
    while waiting:
        reached |= waiting
        waiting = {found for file in waiting for found in imported_by(file)} - reached
    # A package's __init__.py that holds nothing but its docstring changes nothing.
    return {file for file in reached if len(ast.parse(file.read_text()).body) > 1 or file.name != "__init__.py"}


def stage_file(stage: dict[str, Any]) -> Path:
    return PACKAGE / "stages" / f"{stage['cmd'].split()[1].replace('-', '_')}.py"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_all_that_it_imports_and_on_nothing_more(name: str) -> None:
    declared = [ROOT / dependency for dependency in STAGES[name]["deps"] if dependency.startswith("src/")]
    reached = reached_from(stage_file(STAGES[name]))
    uncovered = {file for file in reached if not any(file.is_relative_to(path) for path in declared)}
    assert {str(file.relative_to(ROOT)) for file in uncovered} == set()
    idle = {path for path in declared if not any(file.is_relative_to(path) for file in reached)}
    assert {str(path.relative_to(ROOT)) for path in idle} == set()


def test_the_outputs_stand_where_the_code_writes_them() -> None:
    outputs = {str(path) for stage in STAGES.values() for path in [*stage.get("outs", []), *stage.get("metrics", [])]}
    places = {output.partition("/${")[0] for output in outputs}
    assert places == {str(value) for name, value in vars(layout).items() if name.isupper()}


def test_no_output_persists_or_escapes_the_cache() -> None:
    """Either would turn DVC's run-cache off."""
    for stage in STAGES.values():
        assert all(isinstance(output, str) for output in [*stage.get("outs", []), *stage.get("metrics", [])])


@pytest.mark.parametrize("name", ["evaluate", "latency", "report"])
def test_a_stage_over_all_models_runs_again_when_the_params_name_others(name: str) -> None:
    """A model that comes back from the cache changes no file: only the params tell that it is asked for again."""
    assert {"matrix", "students", "teachers"} <= set(STAGES[name]["params"])


def test_more_seeds_are_more_stages(tmp_path: Path) -> None:
    shutil.copyfile(ROOT / "dvc.yaml", tmp_path / "dvc.yaml")
    tiny = (ROOT / "tests" / "params.tiny.yaml").read_text()
    (tmp_path / "params.yaml").write_text(tiny.replace("seeds: []", "seeds: [2, 3]"))
    subprocess.run(["dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    drawn = subprocess.run(["dvc", "dag", "--outs", "--dot"], cwd=tmp_path, capture_output=True, text=True, check=True)
    models = ["dot", *(f"{student}-{teacher}" for student in ("dot", "tk") for teacher in ("T1", "T2"))]
    seeded = {f"models/{model}~{seed}" for model in models for seed in (2, 3)}
    assert {place for place in re.findall(r'"([^"]+)"', drawn.stdout) if "~" in place} == seeded
    # All of them are measured: `evaluate` needs whatever stands in models/.
    assert all(f'"{place}" -> "evaluation/runs"' in drawn.stdout for place in seeded)

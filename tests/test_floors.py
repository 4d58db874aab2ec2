"""The floors of the package: imports only go down, and the light parts stay light."""

import ast
import subprocess
import sys

import pytest

from distilrank.artifacts.own_imports import PACKAGE, imported_files

# From the top. A file may import from its own floor and those below it.
FLOORS = [
    {"__main__"},
    {"cli", "gpu_check"},
    {"api", "measured_model"},
    {"check", "stages"},
    {"registry", "tracking"},
    {"mlflow_client", "serving"},
    {"results"},
    {"indexed", "matching", "searchers", "searching"},
    {"model"},
    {"config"},
    {"training", "conversion", "labels", "generation"},
    {"scoring"},
    {"retrieval"},
    {"evaluation"},
    {"losses", "rankers"},
    {"data"},
    {"sections", "workers"},
    {"artifacts"},
    {"progress", "errors", "network_errors", "redaction"},
]
LIGHT = [
    "distilrank.cli.main",
    "distilrank.cli.params_reference",
    "distilrank.config.params_file",
    "distilrank.artifacts.directories",
    "distilrank.tracking",
    "distilrank.stages.collect",
    "distilrank.serving.search.app",  # BM25 answers before torch is imported
]
HEAVY = {"torch", "transformers", "mlflow", "prefect", "faiss", "matplotlib", "peft"}


def floor_of(part: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if part in floor)


def test_imports_only_go_down() -> None:
    rising = [
        f"{file.relative_to(PACKAGE)} imports {target.relative_to(PACKAGE)}"
        for file in PACKAGE.rglob("*.py")
        if file != PACKAGE / "__init__.py"
        for target in imported_files(ast.parse(file.read_text()))  # for types too
        if target.parent != PACKAGE or target.name != "__init__.py"
        if floor_of(file.relative_to(PACKAGE).with_suffix("").parts[0])
        > floor_of(target.relative_to(PACKAGE).with_suffix("").parts[0])
    ]
    assert rising == []


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_import_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY.isdisjoint(loaded)

"""Python 3.12 and 3.13, by interpreters of this machine: types, digests, and every module that needs no torch."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT

pytestmark = pytest.mark.slow(40)

# Wheels that are small. What needs torch, MLflow or Prefect is checked by its types alone.
INSTALLED = (
    "numpy",
    "polars",
    "pyarrow",
    "pydantic",
    "rich",
    "typer",
    "ruamel-yaml",
    "requests",
    "tokenizers",
    "ir-measures",
)
# What is not installed there has no types: what is made of it may be anything.
LENIENT = [
    "--ignore-missing-imports",
    "--allow-subclassing-any",
    "--allow-untyped-decorators",
    "--no-warn-return-any",
    "--no-warn-unused-ignores",
    "--disable-error-code=has-type",
]
IMPORT_ALL = """
import importlib, json, pkgutil, distilrank
imported, without = [], {}
for module in pkgutil.walk_packages(distilrank.__path__, "distilrank."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
        imported.append(module.name)
    except ModuleNotFoundError as error:
        without[module.name] = error.name.split(".")[0]
print(json.dumps([imported, without]))
"""


@pytest.fixture(scope="module", params=["3.12", "3.13"])
def interpreter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That Python, with the small packages in the versions of constraints.txt."""
    found = interpreter_of(request.param)
    if found is None:
        pytest.skip(f"no python{request.param} is on this machine")
    directory = tmp_path_factory.mktemp("python") / "venv"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", found, directory], check=True)
    pins = [pin for pin in (ROOT / "constraints.txt").read_text().split() if pin.split("==")[0] in INSTALLED]
    assert len(pins) == len(INSTALLED)
    install = [uv, "pip", "install", "--quiet", "--system-certs", "--python", directory / "bin" / "python"]
    subprocess.run([*install, *pins], check=True)
    return directory / "bin" / "python"


def interpreter_of(python: str) -> str | None:
    """One that runs: a shim of pyenv's may name a version that is not chosen."""
    of_pyenv = map(str, Path.home().glob(f".pyenv/versions/{python}.*/bin/python"))
    for found in (shutil.which(f"python{python}"), *of_pyenv):
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    return None


def test_types_hold(interpreter: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", f"--python-executable={interpreter}", f"--cache-dir={tmp_path}"]
    version = subprocess.run([interpreter, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
    command += [f"--python-version={version.rpartition('.')[0]}", *LENIENT, "src", "flows", "infra"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_digests_of_code_are_the_same(interpreter: Path, tmp_path: Path) -> None:
    shutil.copyfile(ROOT / "constraints.txt", tmp_path / "constraints.txt")
    run = [interpreter, "-c", "from distilrank.artifacts.code_file import renew_code_file as renew; renew()"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(run, cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "code.yaml").read_text() == (ROOT / "code.yaml").read_text()


def test_modules_import(interpreter: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    run = [interpreter, "-c", IMPORT_ALL]
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported, without = json.loads(done.stdout)
    assert not {"distilrank", "flows", "infra"} & set(without.values()), without
    expected = {"cli.main", "config.params", "data.tokens", "data.collection", "workers.local", "gpu_check.command"}
    assert {f"distilrank.{module}" for module in expected} <= set(imported), without

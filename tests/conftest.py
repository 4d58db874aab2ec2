"""Projects of the tests: copies of what a clone holds, with the tiny params."""

import gc
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

from distilrank.config.graph import GRAPH_FILE, graph_text
from distilrank.config.params import Params
from distilrank.config.params_file import read_params
from distilrank.data.backbone import locate_backbone
from distilrank.stages.candidates import candidates
from distilrank.stages.collect import collect
from distilrank.stages.tokenize import tokenize
from distilrank.stages.triples import triples
from distilrank.workers.leash import Leash
from distilrank.workers.preloaded import preloaded

ROOT = Path(__file__).parents[1]
DATASETS = ROOT.parent / "shared" / "datasets"
os.environ.setdefault("DISTILRANK_DEVICE", "cpu")
# Processes that share the cores would have torch's threads spin in each other's way, at three times the time.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# The tests have more processes than cores already.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# How long an example takes says nothing on a machine that is shared.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
Command = Callable[..., subprocess.CompletedProcess[str]]


def pytest_configure() -> None:
    # What is imported is never garbage: to look through it again and again takes longer than many a test.
    gc.disable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than the cores: many a test waits for a process, a server or a lock."""
    return (psutil.cpu_count(logical=False) or 1) + 1


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that the processes that share the tests end together.

    The Makefile keeps xdist from an order of its own.
    """
    items.sort(key=_seconds, reverse=True)


def _seconds(item: pytest.Item) -> int:
    """What a file says of itself: `slow(seconds)`, on one core."""
    slow = item.get_closest_marker("slow")
    return int(slow.args[0]) if slow else 0


def write_graph_of(directory: Path) -> None:
    """A project's graph.yaml, which follows from its params.yaml."""
    (directory / GRAPH_FILE).write_text(graph_text(read_params(directory / "params.yaml")))


@pytest.fixture(scope="session")
def tiny_params() -> Params:
    return read_params(ROOT / "tests" / "params.tiny.yaml")


@pytest.fixture(scope="session")
def backbone(tiny_params: Params) -> Path:
    return locate_backbone(tiny_params.backbone)


@pytest.fixture(scope="session")
def prepared(tiny_params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose collection, tokens, candidates and triples are built; not to be changed."""
    directory = tmp_path_factory.mktemp("prepared")
    shutil.copyfile(ROOT / "tests" / "params.tiny.yaml", directory / "params.yaml")
    before = Path.cwd()
    os.chdir(directory)
    try:
        for stage in (collect, tokenize, candidates):
            stage(tiny_params)
        for name in tiny_params.triples:
            triples(tiny_params, name)
    finally:
        os.chdir(before)
    return directory


@pytest.fixture
def project(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the prepared project, and the working directory."""
    directory = tmp_path / "project"
    shutil.copytree(prepared, directory)
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture(scope="session")
def plain_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What commands run with: the environment's programs first, and no server or home of the user's."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PREFECT_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PATH": path, "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect"))}


@pytest.fixture(scope="session")
def environment(plain_environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The same for commands that start at once: a test's models are so small that imports would take most of its
    time."""
    with Leash() as leash, preloaded(leash, plain_environment) as variables:
        yield plain_environment | variables


# Of each module: a folder's conftest may give its tests another environment.
@pytest.fixture(scope="module")
def command(environment: dict[str, str]) -> Command:
    """Runs a command in a directory and gives back what it printed."""

    def run(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=1800
        )

    return run


@pytest.fixture(autouse=True)
def _mlflow_forgets() -> Iterator[None]:
    """What a test told MLflow of its server ends with it: it would stand above the variable of the next one."""
    yield
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)


@pytest.fixture(scope="module")
def run_here(environment: dict[str, str]) -> Command:
    """The same for `distilrank`, in this process: one of its own spends five seconds on its start."""

    def run(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
        from distilrank.cli.main import main

        out, err, code = io.StringIO(), io.StringIO(), 0
        with pytest.MonkeyPatch.context() as here, redirect_stdout(out), redirect_stderr(err):
            here.chdir(directory)
            here.setattr(sys, "argv", list(words))
            for name in os.environ.keys() - environment.keys():
                here.delenv(name)
            for name, value in environment.items():
                here.setenv(name, value)
            try:
                main()
            except SystemExit as ended:
                code = int(ended.code or 0)
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    return run

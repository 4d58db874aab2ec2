"""A Prefect server, and projects to run flows in."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import ROOT
from tests.flows.project import PIPELINE, POOL, Project, Server, environment
from tests.servers import free_port
from tests.servers import server as a_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prefect server of the user's own."""
    port, home = free_port(), tmp_path_factory.mktemp("server")
    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    settings = environment(home, None) | {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    address = f"http://127.0.0.1:{port}/api"
    with a_server(command, f"{address}/health", settings, home / "log"):
        yield Server(address)


@pytest.fixture(scope="session")
def pool(server: Server) -> str:
    """A work pool of processes."""
    made = httpx.post(f"{server.address}/work_pools/", json={"name": POOL, "type": "process"})
    made.raise_for_status()
    return POOL


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """Makes a project from a dvc.yaml."""
    return lambda pipeline=PIPELINE: Project(tmp_path / "project", pipeline)


@pytest.fixture
def deployed(project: Callable[[str], Project], server: Server, pool: str) -> Callable[[str], Project]:
    """Makes a project of a dvc.yaml, and its deployments."""

    def make(pipeline: str) -> Project:
        made = project(pipeline)
        shutil.copytree(ROOT / "flows", made.directory / "flows", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copyfile(ROOT / "prefect.yaml", made.directory / "prefect.yaml")
        done = made.run("prefect", "--no-prompt", "deploy", "--all", server=server.address)
        assert done.returncode == 0, done.stdout
        return made

    return make

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


@pytest.fixture(scope="session")
def deployed_project(server: Server, pool: str, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with its deployments: `prefect deploy` takes longer than most runs."""
    made = Project(tmp_path_factory.mktemp("deployed") / "project")
    shutil.copytree(ROOT / "flows", made.directory / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "prefect.yaml", made.directory / "prefect.yaml")
    made.run("git", "add", "--all", check=True)
    done = made.run("prefect", "--no-prompt", "deploy", "--all", server=server.address)
    assert done.returncode == 0, done.stdout
    return made


@pytest.fixture
def deployed(deployed_project: Project) -> Callable[[str], Project]:
    """Gives the deployed project another dvc.yaml, and nothing of what an earlier one made."""

    def make(pipeline: str) -> Project:
        deployed_project.run("git", "clean", "-fdqx", "--exclude=.dvc", check=True)
        deployed_project.write("dvc.yaml", pipeline)
        return deployed_project

    return make

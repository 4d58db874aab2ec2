"""A worker that is killed, and the one after it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.flows.project import SLEEPING, Project, Server, a_worker, begun, running, start
from tests.servers import wait_for

pytestmark = pytest.mark.slow(30)


def test_a_killed_worker_ends_its_training_and_the_next_goes_on(
    deployed: Callable[..., Project], server: Server, tmp_path: Path
) -> None:
    project = deployed(SLEEPING)
    with a_worker(server, tmp_path / "first") as worker:
        run = start(project, server, "distil/local")
        training = begun(project)
        worker.kill()
        assert wait_for(lambda: not running(training), bool, seconds=30), "the training outlived the worker"
        run.communicate(timeout=60)
        assert run.returncode == 1
    project.write("dvc.yaml", "stages:\n  train:\n    cmd: touch model\n    outs: [model]\n")
    with a_worker(server, tmp_path / "second"):
        run = start(project, server, "distil/local")
        said, _ = run.communicate(timeout=120)
        assert run.returncode == 0, said

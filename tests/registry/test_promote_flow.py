"""The flow that promotes, run as a worker runs it, against real servers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.registry.conftest import Built

from distilrank.registry.register import register

pytestmark = pytest.mark.slow(30)

RUN = """
import sys
from flows.promote import promote
for model in sys.argv[1:]:
    state = promote(model, return_state=True)
    print(f"{model} {state.name}: {state.message}")
"""


def run_flows(folder: Path, *models: str) -> list[str]:
    """The name and message of each flow run's final state; on Prefect's ephemeral server."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    given = {
        "PYTHONPATH": path,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # On cores that are shared, the server takes its time.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, *models], env=kept | given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-len(models) :]


def test_a_promotion_completes_and_a_refusal_fails_and_says_why(built: Built, tmp_path: Path) -> None:
    built.train("dot", 0, head_bin=b"\x80\x04.")
    built.evaluate({})
    register(built.params())
    promoted, refused = run_flows(tmp_path, "dot-T1", "dot")
    assert promoted == "dot-T1 Completed: None"
    assert refused.startswith(f"dot Failed: {tmp_path.name}.dot version 1 is refused by safetensors only: ")
    assert "head.bin may run when it is read" in refused

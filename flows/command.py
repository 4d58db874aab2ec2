"""DVC by its command line."""

import os
import subprocess
import sys
from pathlib import Path

from distilrank.errors import InputError

# Stages run side by side, so each DVC waits for the others to let go of the project.
DVC = ("dvc", "--wait-for-lock")


class PipelineError(InputError):
    """dvc.yaml, or the params.yaml that it reads, is not a pipeline that DVC understands."""


def environment() -> dict[str, str]:
    """Return the environment for DVC and its stages: this Python's programs first, output without delay."""
    programs = str(Path(sys.executable).parent)
    path = os.pathsep.join([programs, os.environ.get("PATH", os.defpath)])
    # Two trainings at once would have their threads spin in each other's way, and take four times as long.
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}


def ask(*arguments: str) -> str:
    """Return what DVC prints for these arguments.

    Raises:
        PipelineError: if DVC refuses; says what it said, in one line.
    """
    answer = subprocess.run([*DVC, *arguments], env=environment(), capture_output=True, text=True, check=False)
    if answer.returncode:
        raise PipelineError(
            "dvc.yaml",
            got=f"from DVC '{(answer.stderr or answer.stdout).strip().removeprefix('ERROR: ')}'",
            expected="a pipeline that DVC can read",
            remedy="mend dvc.yaml or params.yaml",
        )
    return answer.stdout

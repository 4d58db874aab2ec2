"""Runs one stage with DVC."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from distilrank.workers.leash import Leash
from flows.command import DVC, Tell, run
from flows.run_dvc import Verdict


def run_stage(stage: str, given: Mapping[str, str], leash: Leash, tell: Tell) -> Verdict:
    """Lets DVC bring a stage up to date, tells each line of output as it comes, and returns what DVC did.

    The variables in `given` are added to the stage's environment. Raises CommandFailed if DVC, or the stage's command,
    ends with an error.
    """
    with TemporaryDirectory(prefix="distilrank-") as folder:
        # A file, because a stage may print anything. DVC does not pass its name on to stages.
        verdict = Path(folder) / "verdict"
        run([*DVC, "--verdict", str(verdict), "repro", "--single-item", stage], leash, tell, given)
        return Verdict(verdict.read_text(encoding="utf-8"))

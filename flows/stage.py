"""One stage, run by DVC."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from distilrank.workers.leash import Leash
from flows.command import DVC, Tell, run
from flows.run_dvc import Verdict


def run_stage(stage: str, given: Mapping[str, str], leash: Leash, tell: Tell) -> Verdict:
    """Let DVC bring a stage up to date, tell each line of output as it comes, and return what DVC did.

    The stage's environment has what is `given`.

    Raises:
        CommandFailed: if DVC, or the stage's command, ends with an error.
    """
    with TemporaryDirectory(prefix="distilrank-") as folder:
        # What is printed may be the stage's own, and DVC does not tell stages of this file.
        verdict = Path(folder) / "verdict"
        run([*DVC, "--verdict", str(verdict), "repro", "--single-item", stage], leash, tell, given)
        return Verdict(verdict.read_text(encoding="utf-8"))

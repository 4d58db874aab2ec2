"""One stage, run by DVC."""

from typing import Literal

from flows.command import DVC, Tell, run
from flows.leash import Leash

Verdict = Literal["Built", "Restored", "UpToDate"]


def run_stage(stage: str, leash: Leash, tell: Tell) -> Verdict:
    """Let DVC bring a stage up to date, tell each line of output as it comes, and return what DVC did.

    Raises:
        CommandFailed: if DVC, or the stage's command, ends with an error.
    """
    said = run([*DVC, "repro", "--single-item", stage], leash, tell)
    verdicts = [found for line in said if (found := verdict(line, stage))]
    return verdicts[-1] if verdicts else "Built"


def verdict(line: str, stage: str) -> Verdict | None:
    """Return what a line of DVC's says about the stage, if it is such a line."""
    if line == f"Stage '{stage}' didn't change, skipping":
        return "UpToDate"
    if line == f"Stage '{stage}' is cached - skipping run, checking out outputs":
        return "Restored"
    return None

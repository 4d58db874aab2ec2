"""One stage, run by DVC."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from flows.command import DVC, environment
from flows.leash import Leash

Verdict = Literal["Built", "Restored", "UpToDate"]

LAST_LINES = 20
# What DVC advises after every stage, and nobody wants to read a dozen times.
ADVICE = re.compile(
    r"To track the changes with git, run:|git add .*|To enable auto staging, run:"
    r"|dvc config core\.autostage true|Use `dvc push` to send your updates to remote storage\."
)
USER_MISTAKE = re.compile(r"ERROR: .* exited with 2")


class StageFailed(Exception):
    """A stage was not built: the message is its last lines."""


def run_stage(stage: str, leash: Leash, tell: Callable[[str], object]) -> Verdict:
    """Let DVC bring a stage up to date, tell each line of output as it comes, and return what DVC did.

    Raises:
        StageFailed: if DVC, or the stage's command, ends with an error.
    """
    said: Verdict = "Built"
    last: deque[str] = deque(maxlen=LAST_LINES)
    with leash.start([*DVC, "repro", "--single-item", stage], environment()) as process:
        assert process.stdout is not None
        for line in printed(process.stdout):
            tell(line)
            last.append(line)
            said = verdict(line, stage) or said
    if process.returncode:
        raise StageFailed(message(list(last)) or f"DVC ended with exit code {process.returncode}")
    return said


def printed(output: Iterable[bytes]) -> Iterator[str]:
    """Return the lines as a terminal would leave them: of a progress bar its last stand; no blank ones, no advice."""
    for line in output:
        text = line.decode(errors="replace").rstrip().rpartition("\r")[2]
        if text.strip() and not ADVICE.fullmatch(text.strip()):
            yield text


def verdict(line: str, stage: str) -> Verdict | None:
    """Return what a line of DVC's says about the stage, if it is such a line."""
    if line == f"Stage '{stage}' didn't change, skipping":
        return "UpToDate"
    if line == f"Stage '{stage}' is cached - skipping run, checking out outputs":
        return "Restored"
    return None


def message(last: list[str]) -> str:
    """Return what a user needs of the last lines: if the mistake is theirs, the one line before DVC's own."""
    if len(last) > 1 and USER_MISTAKE.fullmatch(last[-1]):
        return last[-2]
    return "\n".join(last)

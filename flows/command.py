"""Runs commands: DVC's, and those of this project."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from distilrank.errors import InputError
from distilrank.redaction import redacted
from distilrank.workers.leash import Leash
from flows.failure import CommandFailed, Kind, kind_of
from flows.orphans import mark

# Stages run side by side, so each DVC waits until the others release the project's lock.
DVC = (sys.executable, "-m", "flows.run_dvc", "--wait-for-lock")
Tell = Callable[[str], object]
NOTHING: Mapping[str, str] = {}

_LAST_LINES = 20
# How an error message of this project's commands begins.
_OURS = "distilrank: "
# How often, and for how long, to try again if somebody else holds the lock, such as a `dvc repro` by hand.
_SECONDS_BETWEEN, _SECONDS_IN_ALL = 2, 600
# Advice that DVC prints after every stage.
_ADVICE = re.compile(
    r"To track the changes with git, run:|git add .*|To enable auto staging, run:"
    r"|dvc config core\.autostage true|Use `dvc push` to send your updates to remote storage\."
)


class PipelineError(InputError):
    """DVC cannot read dvc.yaml, or the params.yaml that it refers to, as a pipeline."""


def environment() -> dict[str, str]:
    """The environment for DVC and its stages: this Python's programs first, output without delay."""
    programs = str(Path(sys.executable).parent)
    path = os.pathsep.join([programs, os.environ.get("PATH", os.defpath)])
    # Otherwise the threads of two trainings at once spin in each other's way, and they take four times as long.
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **mark(), "PATH": path, "PYTHONUNBUFFERED": "1"}


def ask(*arguments: str) -> str:
    """What DVC prints for these arguments. Raises PipelineError, with DVC's message in one line, if DVC refuses."""
    answer = subprocess.run([*DVC, *arguments], env=environment(), capture_output=True, text=True, check=False)
    if answer.returncode:
        raise PipelineError(
            "dvc.yaml",
            got=f"from DVC '{(answer.stderr or answer.stdout).strip().removeprefix('ERROR: ')}'",
            expected="a pipeline that DVC can read",
            remedy="mend dvc.yaml or params.yaml",
        )
    return answer.stdout


def run(command: Sequence[str], leash: Leash, tell: Tell, given: Mapping[str, str] = NOTHING) -> list[str]:
    """Runs a command, tells each line of its output as it comes, and returns them. Waits if a lock is busy.

    The command's environment is this process's, with the variables in `given` added. Raises CommandFailed if it ends
    with an error; the message is its last lines.
    """
    until = time.monotonic() + _SECONDS_IN_ALL
    while True:
        try:
            return _run(command, leash, tell, given)
        except CommandFailed as failure:
            if failure.kind != Kind.BUSY or time.monotonic() > until:
                raise
            time.sleep(_SECONDS_BETWEEN)


def _run(command: Sequence[str], leash: Leash, tell: Tell, given: Mapping[str, str]) -> list[str]:
    said: list[str] = []
    with leash.start(command, {**environment(), **given}) as process:
        assert process.stdout is not None
        for line in _printed(process.stdout):
            tell(line)
            said.append(line)
    if process.returncode:
        last = said[-_LAST_LINES:]
        kind = kind_of(process.returncode)
        raise CommandFailed(kind, _message(kind, last) or f"{command[0]} ended with {process.returncode}", last)
    return said


def _printed(output: Iterable[bytes]) -> Iterator[str]:
    """The lines as a terminal would show them: only a progress bar's last state, no blank lines, no advice.

    Lines go into logs, artifacts and messages, so URLs that other programs print are redacted here.
    """
    for line in output:
        text = line.decode(errors="replace").rstrip().rpartition("\r")[2]
        if text.strip() and not _ADVICE.fullmatch(text.strip()):
            yield redacted(text)


def _message(kind: Kind, last: list[str]) -> str:
    """What a user needs of the last lines: after a user's mistake, only our command's error message."""
    if kind not in (Kind.MISTAKE, Kind.UNREACHABLE) or not last:
        return "\n".join(last)
    said = last[:-1] if len(last) > 1 and "exited with" in last[-1] else last  # without DVC's own last line
    begins = [number for number, line in enumerate(said) if line.startswith(_OURS)]
    return "\n".join(said[begins[-1] if begins else -1 :])

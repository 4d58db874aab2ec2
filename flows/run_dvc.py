"""Runs DVC with an exit code that says why it failed: the failed stage's own, or one for DVC's exception.

Use `python -m flows.run_dvc` in place of `dvc`. DVC itself exits with 255 for nearly everything. This module looks at
what DVC logs, such as the exception behind a failure, and not at what a stage prints. With `--verdict FILE`, it writes
into the file what DVC did to bring the stage up to date. It is not called flows/dvc.py, because a worker puts flows/ on
the path, where that name would hide DVC.
"""

import argparse
import logging
import re
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from distilrank.network_errors import causes, is_no_answer
from flows.failure import BUSY, UNREACHABLE

# The end of the message of DVC's exception for a failed stage.
_EXITED = re.compile(r"exited with (-?\d+)$")


class Verdict(StrEnum):
    """What DVC did to bring a stage up to date."""

    BUILT = "Built"
    RESTORED = "Restored"
    UP_TO_DATE = "UpToDate"


# DVC's log messages, before the name is filled in, for a stage whose command it does not run.
_NOT_RUN = {
    "Stage '%s' is cached - skipping run, checking out outputs": Verdict.RESTORED,
    "Stage '%s' didn't change, skipping": Verdict.UP_TO_DATE,
}


class Seen(logging.Handler):
    """Collects what DVC logs: exceptions, and its verdict on the last stage."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[BaseException] = []
        self.verdict = Verdict.BUILT

    def emit(self, record: logging.LogRecord) -> None:
        self.verdict = _NOT_RUN.get(str(record.msg), self.verdict)
        if record.exc_info and record.exc_info[1]:
            self.errors.append(record.exc_info[1])


def main(arguments: Sequence[str]) -> int:
    """Runs DVC and returns the exit code."""
    from dvc.cli import main as run

    ours = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    ours.add_argument("--verdict", type=Path)
    given, dvcs = ours.parse_known_args(arguments)
    seen = Seen()
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).addHandler(seen)
    sys.argv[0] = "dvc"  # the name that DVC's locks show to others
    code: int = run(dvcs)
    if code:
        return exit_code(code, seen.errors)
    if given.verdict:
        given.verdict.write_text(seen.verdict, encoding="utf-8")
    return 0


def exit_code(code: int, errors: Sequence[BaseException]) -> int:
    """The failed stage's exit code, or else BUSY for a lock, UNREACHABLE for a server, or DVC's own code."""
    from dvc.lock import LockError
    from dvc.stage.exceptions import StageCmdFailedError

    every = [cause for error in errors for cause in causes(error)]
    for error in every:
        if isinstance(error, StageCmdFailedError) and (exited := _EXITED.search(str(error))):
            return of_stage(int(exited[1]))
    if any(isinstance(error, LockError) for error in every):
        return BUSY
    return UNREACHABLE if any(is_no_answer(error) for error in errors) else code


def of_stage(code: int) -> int:
    """A stage's exit code as a shell would. BUSY becomes 1, because only DVC may report it."""
    if code == BUSY:
        return 1
    return code if code > 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

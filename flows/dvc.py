"""DVC, with an exit code that says why it failed: the failed stage's own, or what DVC's exceptions mean.

DVC itself ends with 255 for nearly everything. It logs the exception behind a failure, and that is looked at here; what
a stage printed is not. Run in the place of `dvc`: python -m flows.dvc.
"""

import logging
import re
import sys
from collections.abc import Sequence

from distilrank.network_errors import causes, is_no_answer
from flows.failure import BUSY, UNREACHABLE

# How DVC's exception for a failed stage ends.
_EXITED = re.compile(r"exited with (-?\d+)$")


class Seen(logging.Handler):
    """The exceptions that DVC logged."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            self.errors.append(record.exc_info[1])


def main(arguments: Sequence[str]) -> int:
    """Run DVC and return the exit code."""
    from dvc.cli import main as run

    seen = Seen()
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).addHandler(seen)
    sys.argv[0] = "dvc"  # as DVC's locks tell it to others
    code: int = run(list(arguments))
    return exit_code(code, seen.errors) if code else 0


def exit_code(code: int, errors: Sequence[BaseException]) -> int:
    """Return the failed stage's exit code; else BUSY for a lock, UNREACHABLE for a server, or DVC's own."""
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
    """Return a stage's exit code as a shell tells it; BUSY is for DVC alone to say."""
    if code == BUSY:
        return 1
    return code if code > 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

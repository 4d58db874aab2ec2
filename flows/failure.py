"""Why a command failed, and whether another attempt may help. Only the exit code counts, not what it printed."""

from collections.abc import Sequence
from enum import StrEnum

# The exit code of distilrank and flows/run_dvc.py if a server does not answer (EX_TEMPFAIL).
UNREACHABLE = 75
MISTAKE = 2
# The exit code of flows/run_dvc.py if another DVC holds a lock (EX_UNAVAILABLE).
BUSY = 69


class Kind(StrEnum):
    """Kinds of failures. Only the first two may pass by themselves."""

    UNREACHABLE = "Unreachable"
    BUSY = "Busy"
    MISTAKE = "Mistake"
    FAULT = "Fault"


class CommandFailed(Exception):
    """A command failed. It holds the kind of failure, a message for the user, and the command's last lines."""

    def __init__(self, kind: Kind, message: str, last: Sequence[str]) -> None:
        super().__init__(message)
        self.kind, self.last = kind, last


def kind_of(code: int) -> Kind:
    """The kind of a failure, by the command's exit code."""
    return {UNREACHABLE: Kind.UNREACHABLE, BUSY: Kind.BUSY, MISTAKE: Kind.MISTAKE}.get(code, Kind.FAULT)

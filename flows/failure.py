"""Why a command failed, and whether another try may help: by its exit code alone, whatever it printed."""

from collections.abc import Sequence
from enum import StrEnum

# What distilrank exits with where a server does not answer (EX_TEMPFAIL), and flows/run_dvc.py as well.
UNREACHABLE = 75
MISTAKE = 2
# What flows/run_dvc.py exits with where another DVC holds a lock (EX_UNAVAILABLE).
BUSY = 69


class Kind(StrEnum):
    """Kinds of failures. Only those of the first two may pass by themselves."""

    UNREACHABLE = "Unreachable"
    BUSY = "Busy"
    MISTAKE = "Mistake"
    FAULT = "Fault"


class CommandFailed(Exception):
    """A command failed: of which kind, what a user needs to know, and its last lines."""

    def __init__(self, kind: Kind, message: str, last: Sequence[str]) -> None:
        super().__init__(message)
        self.kind, self.last = kind, last


def kind_of(code: int) -> Kind:
    """The kind of a failure, by the command's exit code."""
    return {UNREACHABLE: Kind.UNREACHABLE, BUSY: Kind.BUSY, MISTAKE: Kind.MISTAKE}.get(code, Kind.FAULT)

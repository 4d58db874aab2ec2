"""Why a command failed, and whether another try may help."""

import re
from collections.abc import Sequence
from enum import StrEnum

# What distilrank exits with where a server does not answer (EX_TEMPFAIL).
UNREACHABLE = 75
MISTAKE = 2
KILLED = 137

_EXITED = re.compile(r"exited with (-?\d+)")
_NO_MEMORY = re.compile(r"OutOfMemoryError|MemoryError|out of memory|Cannot allocate memory", re.IGNORECASE)
_BUSY = re.compile(r"is busy, it is being blocked by|Unable to acquire lock")
_NO_ANSWER = re.compile(
    r"Could not connect|Connect(ion)? ?(refused|reset|aborted|timeout|timed out|was closed)|ConnectTimeout|ReadTimeout"
    r"|Name or service not known|Temporary failure in name resolution|ServiceUnavailable|SlowDown|RequestTimeout",
    re.IGNORECASE,
)


class Kind(StrEnum):
    """Kinds of failures. Only those of the first two may pass by themselves."""

    UNREACHABLE = "Unreachable"
    BUSY = "Busy"
    NO_MEMORY = "OutOfMemory"
    MISTAKE = "Mistake"
    FAULT = "Fault"


class CommandFailed(Exception):
    """A command failed: of which kind, what a user needs to know, and its last lines."""

    def __init__(self, kind: Kind, message: str, last: Sequence[str]) -> None:
        super().__init__(message)
        self.kind, self.last = kind, last


def kind_of(code: int, last: Sequence[str]) -> Kind:
    """The kind of a failure, by the command's exit code, or the one that DVC tells of a stage's, and its last lines."""
    told = _EXITED.search(last[-1]) if last else None
    code = int(told[1]) if told else code
    said = "\n".join(last)
    if code in (KILLED, -9) or _NO_MEMORY.search(said):
        return Kind.NO_MEMORY
    if code == MISTAKE:
        return Kind.MISTAKE
    if code == UNREACHABLE or _NO_ANSWER.search(said):
        return Kind.UNREACHABLE
    return Kind.BUSY if _BUSY.search(said) else Kind.FAULT

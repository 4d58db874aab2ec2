"""Output directories, whole or absent, each with a manifest. A directory appears by one rename."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from distilrank.artifacts.files import sha256_of, write_json
from distilrank.artifacts.manifest import MANIFEST, Manifest, digest
from distilrank.artifacts.work import WORK
from distilrank.errors import InputError
from distilrank.redaction import without_secrets


@dataclass
class Draft:
    """A directory being written: its temporary place, and the counts for its manifest."""

    path: Path
    counts: dict[str, int] = field(default_factory=dict)


@contextmanager
def whole_directory(path: Path, made_by: str, params: Mapping[str, Any], inputs: Iterable[Path]) -> Iterator[Draft]:
    """Gives a temporary directory to write to. On success, it gets its manifest and becomes `path` by one rename."""
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
    """An empty directory for this process alone.

    Waits for a process that writes the same output already, such as a stage whose DVC was killed. A process that died
    has left its directory without a lock.
    """
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
    """Whether an open directory still has that name: the process that was waited for has moved its own away."""
    try:
        return os.path.samestat(directory.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove_if_empty(*directories: Path) -> None:
    for directory in directories:
        with suppress(OSError):
            directory.rmdir()


@contextmanager
def new_directory(target: Path, made_by: str, params: Mapping[str, Any], source: Path) -> Iterator[Path]:
    """Creates a directory that a user wants beside the pipeline, whole or absent, with its manifest.

    Gives a directory next to `target` to write to, which on success becomes `target` by one rename. The manifest names
    the file that it was made from. Raises InputError if `target` exists.
    """
    if target.exists():
        raise InputError(target, got="an existing path", expected="a new directory", remedy="name another target")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".writing-") as temporary:
        draft = Path(temporary) / target.name
        draft.mkdir()
        yield draft
        files = sorted(file for file in draft.rglob("*") if file.is_file())
        digests = {str(file.relative_to(draft)): sha256_of(file) for file in files}
        manifest = Manifest(made_by, without_secrets(dict(params)), {str(source): sha256_of(source)}, {}, digests)
        write_json(draft / MANIFEST, asdict(manifest))
        draft.rename(target)

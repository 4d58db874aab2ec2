"""Repairs the files that DVC does not write whole: dvc.lock, its list of users of outputs, entries of its run-cache.

A DVC that is killed leaves half a file, on which every later DVC fails. So the last whole dvc.lock is kept below .work/
and put back. If none was kept, the half is removed: DVC finds what was built in its run-cache.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distilrank.artifacts.files import write_text
from distilrank.artifacts.work import WORK
from distilrank.errors import InputError

LOCK = Path("dvc.lock")
KEPT = WORK / "dvc.lock"
DAMAGED = WORK / "dvc.lock.damaged"
_DVC = Path(".dvc")
_TEMPORARY = _DVC / "tmp"
_USERS = _TEMPORARY / "rwlock"
_DIGEST = re.compile("[0-9a-f]{64}")
_CONFLICT = re.compile(rb"^<{7} ", re.MULTILINE)
_Users = dict[str, dict[str, Any]]  # read or write -> output -> who uses it


class LockConflict(InputError):
    """dvc.lock has both sides of a Git conflict. The user must say which one counts."""


def mend(tell: Callable[[str], object]) -> None:
    """Repairs what a killed DVC left, reports each repair in a line, and keeps a copy of dvc.lock.

    Raises LockConflict.
    """
    if _is_damaged(_read(LOCK)) or _is_wrong(_read(_USERS)) or any(_remains_in_run_cache()):
        with _no_dvc_at_work():
            _mend_lock(tell)
            _mend_users(tell)
            for remains in list(_remains_in_run_cache()):
                remains.rmdir() if remains.is_dir() else remains.unlink()
    keep()


def keep() -> None:
    """Copies a whole dvc.lock to the place from which it can be put back."""
    content = _read(LOCK)
    if content and content != _read(KEPT) and not _is_damaged(content):
        write_text(KEPT, content.decode())


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


@contextmanager
def _no_dvc_at_work() -> Iterator[None]:
    """Waits until no DVC writes here, and holds others back, since half a file may be one that is being written."""
    from dvc.lock import make_lock

    if not _DVC.is_dir():
        yield
        return
    _TEMPORARY.mkdir(exist_ok=True)
    with make_lock(str(_TEMPORARY / "lock"), wait=True):
        yield


def _is_damaged(content: bytes | None) -> bool:
    """Whether DVC did not finish writing this dvc.lock. Raises LockConflict."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from voluptuous import Invalid

    if content is None:
        return False
    if _CONFLICT.search(content):
        raise LockConflict(
            LOCK,
            got="both sides of a git conflict",
            expected="one side",
            remedy="keep one by `git checkout --ours dvc.lock` or `--theirs`, then run `dvc repro`",
        )
    try:
        COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(content.decode()))
    except (UnicodeDecodeError, YAMLError, Invalid):
        return True
    # A file cut within a digest is still YAML, but DVC would build that output again.
    return not content.endswith(b"\n")


def _mend_lock(tell: Callable[[str], object]) -> None:
    content = _read(LOCK)
    if content is None or not _is_damaged(content):
        return
    WORK.mkdir(exist_ok=True)
    LOCK.replace(DAMAGED)
    kept = _read(KEPT)
    if kept and not _is_damaged(kept):
        write_text(LOCK, kept.decode())
        done = "the last good one is put back, and DVC restores what that does not name"
    else:
        done = "no good one was kept, and DVC restores from its run-cache what was built"
    tell(f"{LOCK} was damaged, as a kill leaves it: {done} (the damaged one is {DAMAGED})")


def _mend_users(tell: Callable[[str], object]) -> None:
    content = _read(_USERS)
    if not _is_wrong(content):
        return
    if users := _users(content):
        write_text(_USERS, json.dumps(_without_others(users)))
    else:
        _USERS.unlink()
        tell(f"{_USERS} was damaged, as a kill leaves it: it is taken away")


def _is_wrong(content: bytes | None) -> bool:
    """Whether a list of users is half a file, or names a process whose number another process has by now."""
    if content is None:
        return False
    users = _users(content)
    return not users or _without_others(users) != users


def _users(content: bytes | None) -> _Users | None:
    """The list, or None if DVC cannot read it."""
    from dvc.rwlock import SCHEMA
    from voluptuous import Invalid

    try:
        users: _Users = SCHEMA(json.loads(content or b""))
    except (ValueError, Invalid):
        return None
    return users


def _without_others(users: _Users) -> _Users:
    """The list without users whose process number another process has by now.

    In a container that happens soon, and DVC would wait for that process for ever. DVC itself removes numbers that no
    process has.
    """
    readers = {path: [one for one in some if not _is_another(one)] for path, some in users["read"].items()}
    return {
        "write": {path: one for path, one in users["write"].items() if not _is_another(one)},
        "read": {path: some for path, some in readers.items() if some},
    }


def _is_another(user: dict[str, Any]) -> bool:
    import psutil

    try:
        command = " ".join(psutil.Process(user["pid"]).cmdline())
    except psutil.Error:
        return False
    return not ("dvc" in command and command.endswith(user["cmd"].partition(" ")[2]))


def _remains_in_run_cache() -> Iterator[Path]:
    """Unfinished entries, and empty places of entries that were not begun. DVC fails on both."""
    for place in _run_cache().glob("*/*"):
        files = list(place.glob("*"))
        unfinished = [file for file in files if not _DIGEST.fullmatch(file.name)]
        yield from unfinished
        if unfinished == files:
            yield place


def _run_cache() -> Path:
    from dvc.config import Config, ConfigError

    try:
        folder = Config(str(_DVC))["cache"].get("dir")
    except ConfigError:  # DVC itself reports it
        folder = None
    return Path(folder or _DVC / "cache") / "runs"

"""Checks before a build that it fits on disk and in memory. If not, the error names a smaller form, if any fits."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil

from distilrank.errors import InputError

_GIGABYTE = 1e9


class Size(NamedTuple):
    """Bytes on disk, and of the memory that building takes at most: 0 if it does not grow with the size."""

    disk: int
    memory: int = 0


def refuse_without_room(
    name: str, what: str, size: Size, others: Iterable[tuple[str, Size]] = (), there: int = 0
) -> None:
    """Prints the estimated size of what is to be built. Raises InputError if disk or memory have no room for it.

    `others` has remedies, each with the size of what it would build, from the largest to the smallest. `there`: the
    bytes of it that are on the disk already.
    """
    told = f"{what}, {_told(size)}"
    print(f"{name}: {told}", flush=True)
    room = Size(shutil.disk_usage(Path.cwd()).free + there, free_memory())
    if _fits(size, room):
        return
    raise InputError(
        f"indexes: {name}",
        got=told,
        expected=f"at most what there is room for: {_told(room if size.memory else Size(room.disk))}",
        remedy=next((remedy for remedy, other in others if _fits(other, room)), "build it on a larger machine"),
    )


def bytes_in(directory: Path) -> int:
    """The bytes that the files in a directory take on the disk."""
    # Not their lengths: a file may have holes.
    return sum(512 * file.stat().st_blocks for file in directory.iterdir() if file.is_file())


def free_memory(root: Path = Path("/")) -> int:
    """The bytes of memory that this process may still take, of the machine and of its control group (version 2)."""
    free = int(psutil.virtual_memory().available)
    group = root / "sys/fs/cgroup"
    try:
        limit, used = ((group / file).read_text("utf-8").strip() for file in ("memory.max", "memory.current"))
    except OSError:
        return free
    return free if limit == "max" else min(free, int(limit) - int(used))


def _fits(size: Size, room: Size) -> bool:
    return size.disk <= room.disk and size.memory <= room.memory


def _told(size: Size) -> str:
    memory = f", {size.memory / _GIGABYTE:,.3f} GB of memory" if size.memory else ""
    return f"{size.disk / _GIGABYTE:,.3f} GB on disk{memory}"

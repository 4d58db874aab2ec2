"""Whether an index has room here. This is told before it is built. A refusal names a kind that has room."""

import shutil
from pathlib import Path

import psutil

from distilrank.errors import InputError
from distilrank.retrieval.faiss_index import Size, estimated_size
from distilrank.retrieval.kinds import Approximate, Fp16, Hnsw, IvfPq, Sq8

# From the largest to the smallest.
_OTHERS: tuple[type[Approximate], ...] = (Hnsw, Fp16, Sq8, IvfPq)
_GIGABYTE = 1e9


def refuse_too_large(kind: Approximate, passages: int, width: int, name: str) -> None:
    """Prints the estimated size of an index. Raises InputError where disk or memory have no room for it."""
    size = estimated_size(kind, passages, width)
    print(f"{name}: {kind.kind} of {passages:,} passages of {width} numbers, {_told(size)}", flush=True)
    room = Size(shutil.disk_usage(Path.cwd()).free, free_memory())
    if _fits(size, room):
        return
    fitting = [other.model_fields["kind"].default for other in _OTHERS if _fits(_size_of(other, passages, width), room)]
    raise InputError(
        f"indexes: {name}",
        got=f"a {kind.kind} index of {_told(size)}",
        expected=f"at most what is free: {_told(room)}",
        remedy=f"choose kind: {fitting[0]}" if fitting else "build it on a larger machine",
    )


def free_memory(root: Path = Path("/")) -> int:
    """The bytes of memory that this process may still take, of the machine and of its control group (version 2)."""
    free = int(psutil.virtual_memory().available)
    group = root / "sys/fs/cgroup"
    try:
        limit, used = ((group / file).read_text("utf-8").strip() for file in ("memory.max", "memory.current"))
    except OSError:
        return free
    return free if limit == "max" else min(free, int(limit) - int(used))


def _size_of(kind: type[Approximate], passages: int, width: int) -> Size:
    return estimated_size(kind.model_validate({}), passages, width)


def _fits(size: Size, room: Size) -> bool:
    return size.disk <= room.disk and size.memory <= room.memory


def _told(size: Size) -> str:
    return f"{size.disk / _GIGABYTE:,.3f} GB on disk, {size.memory / _GIGABYTE:,.3f} GB of memory"

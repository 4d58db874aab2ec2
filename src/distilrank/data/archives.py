"""Archives and compressed files, read without unpacking, so that no name inside one ever becomes a path here."""

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, cast

from distilrank.errors import CollectionError, NotThere

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
COMPRESSED: dict[str, Callable[[Path], object]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# The errors that broken bytes raise.
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, RuntimeError)
# Text compresses to a tenth, a decompression bomb to a thousandth.
_MOST_TIMES = 100
_SMALLEST = 1 << 20


class Bytes(Protocol):
    def read(self, size: int, /) -> bytes: ...


def is_archive(name: str) -> bool:
    return name.endswith(SUFFIXES)


@contextmanager
def opened(path: Path, member: str = "") -> Iterator[Bytes]:
    """Gives the bytes of a file, or of the one file called `member` in an archive, in whatever folder of it.

    Raises NotThere for an absent member. Reading raises CollectionError beyond 100 times the file's size.
    """
    if member:
        with _member(path, member) as stream:
            yield _Bounded(path, stream)
    elif path.suffix in COMPRESSED:
        with cast(IO[bytes], COMPRESSED[path.suffix](path)) as stream:
            yield _Bounded(path, stream)
    else:
        with path.open("rb") as stream:
            yield stream


@contextmanager
def _member(path: Path, member: str) -> Iterator[IO[bytes]]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as zipped, zipped.open(_only(path, member, zipped.namelist())) as stream:
            yield stream
        return
    with tarfile.open(path, "r:*") as tape:
        # A single pass, since a compressed tar has no list of its members.
        for entry in tape:
            if entry.isreg() and _is(entry.name, member):
                yield cast(IO[bytes], tape.extractfile(entry))
                return
    raise _absent(path, member)


def _only(path: Path, member: str, names: list[str]) -> str:
    found = [name for name in names if _is(name, member)]
    if not found:
        raise _absent(path, member)
    if len(found) > 1:
        raise CollectionError(path, got=f"{found}", expected=f"one file {member}", remedy="remove the others")
    return found[0]


def _is(name: str, member: str) -> bool:
    return name == member or name.endswith(f"/{member}")


def _absent(path: Path, member: str) -> NotThere:
    return NotThere(path, got=f"no file {member}", expected="this file", remedy="name another file, or another archive")


class _Bounded:
    """A stream that raises an error once it is far larger than the file it comes from."""

    def __init__(self, path: Path, stream: Bytes) -> None:
        self._path, self._stream = path, stream
        self._left = _MOST_TIMES * max(path.stat().st_size, _SMALLEST)

    def read(self, size: int, /) -> bytes:
        found = self._stream.read(size)
        self._left -= len(found)
        if self._left < 0:
            raise CollectionError(
                self._path,
                got=f"contents of more than {_MOST_TIMES} times the size of the file",
                expected="compressed text",
                remedy="get the file from its publisher again",
            )
        return found

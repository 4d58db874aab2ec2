"""Downloads into a cache that all projects share. A file is verified, and is whole or absent.

An interrupted download continues where it stopped. One process downloads a file, while others that want it wait.
"""

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from distilrank.artifacts.files import read_json, write_json
from distilrank.artifacts.locks import alone_in
from distilrank.data.remote import Interrupted, opened
from distilrank.errors import DownloadError, NotThere, Unreachable
from distilrank.progress import progress
from distilrank.redaction import redacted
from distilrank.sections.base import is_remote

# Pauses, in seconds, before one location is tried again. A try that brought bytes starts the pauses anew.
PAUSES = (1.0, 2.0, 5.0, 10.0)


def fetched(location: str, checksum: str | None = None, mirrors: Sequence[str] = ()) -> Path:
    """The local file of a location. A path is that file itself. A URL is downloaded unless the cache has it.

    `checksum` is md5:... or sha256:..., and holds for the location and for each of the `mirrors`, which are tried one
    after the other. Raises DownloadError: NotThere if none of them has the file, Unreachable if every connection
    breaks.
    """
    if not is_remote(location):
        path = Path(location)
        if path.is_dir():
            raise DownloadError(path, got="a directory", expected="a file", remedy="name the file")
        if not path.is_file():
            raise NotThere(path, got="no such file", expected="a file", remedy="correct the path")
        _readable(path)
        _verify(path, location, checksum)
        return path
    file = _place(location)
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with alone_in(file.parent, redacted(f"{location}: waiting for another process that downloads it")):
            if not file.is_file():
                _from_first(location, mirrors, file, checksum)
    _verify(file, location, checksum)
    return file


def cache() -> Path:
    """The folder of downloads: below DISTILRANK_CACHE, else below distilrank/ in the user's cache directory."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("DISTILRANK_CACHE") or Path(home) / "distilrank") / "downloads"


def _place(location: str) -> Path:
    name = Path(unquote(urlsplit(location).path)).name
    return cache() / hashlib.sha256(location.encode()).hexdigest()[:16] / (name or "file")


def _from_first(location: str, mirrors: Sequence[str], file: Path, checksum: str | None) -> None:
    """Downloads from the first source that gives the right file."""
    failures = []
    for source in (location, *mirrors):
        try:
            return _download(source, file, checksum)
        except DownloadError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    told = "; ".join(str(failure) for failure in failures)
    kinds = {type(failure) for failure in failures}
    raise (kinds.pop() if len(kinds) == 1 else DownloadError)(
        location,
        got=f"no location that could be read ({told})",
        expected="one that can be read",
        remedy="correct `location` or `mirrors`",
    )


def _download(source: str, file: Path, checksum: str | None) -> None:
    partial = file.with_name(f"{file.name}.partial")
    failed, reached = 0, -1
    while True:
        try:
            _go_on(source, partial)
            break
        except Interrupted as interruption:
            now = partial.stat().st_size if partial.is_file() else 0
            failed = failed + 1 if now <= reached else 1
            reached = max(reached, now)
            if failed > len(PAUSES):
                raise Unreachable(
                    source,
                    got=redacted(f"a connection that breaks, at byte {now:,} ({interruption})")[:200],
                    expected="the whole file",
                    remedy="run it again: the download goes on from there",
                ) from interruption
            time.sleep(PAUSES[failed - 1])
    try:
        _verify(partial, source, checksum)
    except DownloadError:
        partial.unlink()
        raise
    partial.rename(file)
    _state(partial).unlink()


def _go_on(source: str, partial: Path) -> None:
    """Downloads what is missing of a file, or begins anew if the file has changed there since."""
    known = read_json(_state(partial)) if _state(partial).is_file() else {}
    same = known.get("source") == redacted(source) and partial.is_file()
    with opened(source, partial.stat().st_size if same else 0, known.get("version", "")) as stream:
        write_json(_state(partial), {"source": redacted(source), "version": stream.version})
        with partial.open("r+b") if stream.start else partial.open("wb") as file:
            file.truncate(stream.start)
            file.seek(stream.start)
            with progress(f"bytes of {source}", stream.size, stream.start) as advance:
                for chunk in stream.chunks:
                    file.write(chunk)
                    advance(len(chunk))
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
    if stream.size is not None and size < stream.size:
        raise Interrupted(f"{size:,} of {stream.size:,} bytes")
    if stream.size is not None and size > stream.size:
        partial.unlink()
        raise DownloadError(
            source, got=f"{size:,} bytes", expected=f"{stream.size:,}, as the server said", remedy="use another mirror"
        )


def _state(partial: Path) -> Path:
    """The file with what is known of a download in progress."""
    return partial.with_name(f"{partial.name}.json")


def _readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise DownloadError(
            path, got=error.strerror, expected="a file that may be read", remedy="change its permissions"
        ) from error


def _verify(file: Path, source: str, checksum: str | None) -> None:
    if checksum is None:
        return
    kind, _, expected = checksum.partition(":")
    with file.open("rb") as content:
        got = hashlib.file_digest(content, kind).hexdigest()
    if got != expected:
        raise DownloadError(
            source, got=f"{kind} {got}", expected=expected, remedy="correct the checksum, or use another source"
        )

"""The files of a collection: in a folder or an archive, here or elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from distilrank.data.archives import BROKEN, is_archive, opened
from distilrank.data.downloads import fetched
from distilrank.data.text import Text
from distilrank.errors import CollectionError, DownloadError, NotThere
from distilrank.sections.base import is_remote


@dataclass(frozen=True)
class Files:
    """Files by their names below `location`, a folder or an archive. `mirrors` are other locations with the same files.

    A name may lead into an archive: queries.tar.gz#queries.train.tsv. `checksums` are those of the downloaded files, by
    name.
    """

    location: str
    mirrors: Sequence[str]
    checksums: Mapping[str, str]

    def text(self, *names: str) -> Text:
        """The first of these files that exists, plain or as .gz. Raises NotThere and DownloadError."""
        absent = []
        for form in [form for name in names for form in (name, f"{name}.gz")]:
            try:
                return self._text(form)
            except NotThere as error:
                absent.append(error)
        raise absent[0]

    def has(self, name: str) -> bool:
        try:
            self.text(name)
        except NotThere:
            return False
        return True

    def path(self, name: str) -> Path:
        """The local file. Raises NotThere and DownloadError."""
        if not is_remote(self.location) and not Path(self.location).exists():
            raise DownloadError(
                self.location, got="no such folder", expected="the collection's folder", remedy="correct the location"
            )
        return fetched(_join(self.location, name), self.checksums.get(name), [_join(one, name) for one in self.mirrors])

    def _text(self, name: str) -> Text:
        if is_archive(self.location):
            checksum = self.checksums.get(PurePosixPath(self.location).name)
            return _in_archive(fetched(self.location, checksum, self.mirrors), name)
        name, _, member = name.partition("#")
        return _in_archive(self.path(name), member) if member else Text(self.path(name))


def text_of(location: str, checksum: str | None, mirrors: Sequence[str]) -> Text:
    """One file by its location, which may lead into an archive. Raises NotThere and DownloadError."""
    place, _, member = location.partition("#")
    path = fetched(place, checksum, mirrors)
    return _in_archive(path, member) if member else Text(path)


def _in_archive(archive: Path, member: str) -> Text:
    try:
        with opened(archive, member):
            return Text(archive, member)
    except BROKEN as error:
        raise CollectionError(
            archive, got=f"{type(error).__name__}: {error}"[:160], expected="a whole archive", remedy="get it again"
        ) from error


def _join(location: str, name: str) -> str:
    if is_remote(location):
        return f"{location.rstrip('/')}/{name}"
    return str(Path(location) / name)

"""Archives: read, never unpacked; names that would stand outside are names and nothing else; bombs end in an error."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from distilrank.data.files import Files, text_of
from distilrank.data.text import whole_table
from distilrank.errors import CollectionError, NotThere

ROWS = b"q1\tone\nq2\ttwo\n"


def tar(path: Path, members: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def rows(location: str, name: str) -> list[tuple[str, str]]:
    table = whole_table(Files(location, [], {}).text(name), ["query_id", "text"])
    return table.select("query_id", "text").rows()


@pytest.mark.parametrize("make", [tar, zipped])
def test_a_file_is_found_in_whatever_folder_of_the_archive(
    make: Callable[[Path, dict[str, bytes]], Path], tmp_path: Path
) -> None:
    suffix = ".zip" if make is zipped else ".tar.gz"
    archive = make(tmp_path / f"queries{suffix}", {"other.tsv": b"x\n", "./all/queries.tsv": ROWS})
    expected = [("q1", "one"), ("q2", "two")]
    assert rows(str(archive), "queries.tsv") == expected
    assert rows(str(tmp_path), f"{archive.name}#queries.tsv") == expected
    assert len(whole_table(text_of(f"{archive}#all/queries.tsv", None, []), ["query_id", "text"])) == 2
    with pytest.raises(NotThere, match=r"no file nothing\.tsv"):
        rows(str(archive), "nothing.tsv")


def test_no_name_in_an_archive_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "secret.tsv").write_bytes(b"s\tsecret\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    archive = tar(
        folder / "a.tar.gz",
        {"../evil.tsv": ROWS, "/tmp/evil.tsv": ROWS},
        {"queries.tsv": "../secret.tsv", "dir": ".."},
    )
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(NotThere):
        rows(str(archive), "queries.tsv")  # a link to a file outside
    assert rows(str(archive), "evil.tsv") == [("q1", "one"), ("q2", "two")]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["bomb.tsv.gz", "bomb.zip", "bomb.tar.gz"])
def test_a_bomb_ends_in_an_error(tmp_path: Path, name: str) -> None:
    content = b"q\tx\n" * 28_000_000
    if name.endswith(".tsv.gz"):
        import gzip

        (tmp_path / name).write_bytes(gzip.compress(content, 1))
        location, file = str(tmp_path), "bomb.tsv"
    else:
        make = zipped if name.endswith(".zip") else tar
        location, file = str(make(tmp_path / name, {"bomb.tsv": content})), "bomb.tsv"
    with pytest.raises(CollectionError, match="more than 100 times the size of the file"):
        for _ in Files(location, [], {}).text(file).blocks():
            pass


@pytest.mark.parametrize("name", ["broken.zip", "broken.tar.gz"])
def test_what_is_no_archive_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no archive")
    with pytest.raises(CollectionError, match=f"{name}: got .*expected a whole archive"):
        rows(str(tmp_path / name), "queries.tsv")


def test_two_files_of_one_name_are_not_guessed_from(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "two.zip", {"a/queries.tsv": ROWS, "b/queries.tsv": ROWS})
    with pytest.raises(CollectionError, match=r"\['a/queries.tsv', 'b/queries.tsv'\], expected one file queries.tsv"):
        rows(str(archive), "queries.tsv")

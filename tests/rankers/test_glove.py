"""GloVe text files: vectors of words and inner pieces, and what a file is refused for."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from distilrank.artifacts.files import sha256_of
from distilrank.errors import BackboneError, CollectionError, DownloadError, NotThere
from distilrank.rankers.tk.glove import Table, glove_table
from distilrank.rankers.tk.params import Glove

VOCABULARY = ["[CLS]", "queue", "##queue", "bucket", "unheard"]
LINES = ["the 1 2 3", "queue 0.5 -0.5 0.25", "bucket 1e-1 0 -2", "s3 0 0 0"]


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "collections").mkdir()
    monkeypatch.chdir(tmp_path)


def glove(file: Path, member: str = "") -> Glove:
    return Glove(location=f"{file}{member}", checksum=f"sha256:{sha256_of(file)}")


def table_of(lines: list[str], vocabulary: list[str] = VOCABULARY) -> Table:
    file = Path("collections/glove.txt")
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return glove_table(glove(file), vocabulary)


def test_known_words_have_their_vectors_within_words_too() -> None:
    table = table_of(LINES)
    assert table.shape == (5, 3)
    assert table.dtype == np.float32
    np.testing.assert_allclose(table[1], [0.5, -0.5, 0.25])
    np.testing.assert_allclose(table[2], table[1])
    np.testing.assert_allclose(table[3], [0.1, 0, -2])


def test_other_pieces_have_random_vectors_on_the_scale_of_the_known_the_same_each_time() -> None:
    lines = [f"word{number} {' '.join(['40', '44'] * 50)}" for number in range(3)]
    vocabulary = ["word1", *(f"other{number}" for number in range(50))]
    table = table_of(lines, vocabulary)
    others = table[1:]
    assert others.mean() == pytest.approx(42, abs=0.5)
    assert others.std() == pytest.approx(2, abs=0.2)
    assert len(np.unique(others, axis=0)) == 50
    np.testing.assert_array_equal(table, table_of(lines, vocabulary))


@pytest.mark.parametrize("mark", ["\u0120", "\u2581"], ids=["byte-level", "sentencepiece"])
def test_the_mark_of_a_words_beginning_is_no_part_of_the_word(mark: str) -> None:
    table = table_of(LINES, [f"{mark}queue", "bucket"])
    np.testing.assert_allclose(table, [[0.5, -0.5, 0.25], [0.1, 0, -2]])


@pytest.mark.parametrize("line", ["sqs 1 2", "queue 1 two 3", "queue 1 nan 3", ""], ids=lambda line: line or "empty")
def test_a_broken_line_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(BackboneError, match=r"glove.txt:3: got '.*', expected a word and 3 numbers"):
        table_of([*LINES[:2], line, *LINES[2:]])


def test_a_file_that_knows_no_word_is_refused() -> None:
    with pytest.raises(BackboneError, match=r"glove.txt: got no word of the vocabulary"):
        table_of(LINES, ["foreign"])


def test_an_empty_file_is_refused() -> None:
    file = Path("collections/glove.txt")
    file.touch()
    with pytest.raises(CollectionError, match=r"glove.txt: got an empty file"):
        glove_table(glove(file), VOCABULARY)


def test_a_file_that_is_absent_is_refused() -> None:
    with pytest.raises(NotThere, match=r"collections/absent.txt: got no such file"):
        glove_table(Glove(location="collections/absent.txt", checksum=f"md5:{'0' * 32}"), VOCABULARY)


def test_another_file_than_the_one_named_is_refused() -> None:
    file = Path("collections/glove.txt")
    file.write_text("\n".join(LINES), "utf-8")
    with pytest.raises(DownloadError, match=rf"got sha256 {sha256_of(file)}, expected 0000"):
        glove_table(Glove(location=str(file), checksum=f"sha256:{'0' * 64}"), VOCABULARY)


def test_vectors_are_read_from_an_archive_as_stanford_publishes_them() -> None:
    file = Path("collections/glove.zip")
    with ZipFile(file, "w") as archive:
        archive.writestr("glove.txt", "\n".join(LINES))
    table = glove_table(glove(file, "#glove.txt"), VOCABULARY)
    np.testing.assert_array_equal(table, table_of(LINES))

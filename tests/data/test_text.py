"""Lines of text files: all of them, by their numbers, wherever blocks end; and whatever the bytes, no other error."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from distilrank.data import text as text_module
from distilrank.data.given_runs import read_given_run
from distilrank.data.sources.parquet import ParquetSource, ParquetTables
from distilrank.data.sources.trec import TrecFiles, TrecSource
from distilrank.data.tables import read_passages, read_qrels, read_queries
from distilrank.data.text import Text, json_objects, separated, whole_table
from distilrank.errors import CollectionError
from distilrank.sections.base import FileElsewhere

KEYS = {"_id": "passage_id", "title": "title", "text": "text"}


def a_file(directory: Path, content: bytes, name: str = "file.txt") -> Text:
    path = directory / name
    path.write_bytes(content)
    return Text(path)


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=20), block=st.integers(1, 40), ended=st.booleans()
)
@example(rows=[("", "", "")], block=1, ended=False)
def test_every_row_is_there_wherever_blocks_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, str, str]], block: int, ended: bool
) -> None:
    monkeypatch.setattr(text_module, "_BLOCK", block)
    lines = "\n".join("\t".join(row) for row in rows) + ("\n" if ended else "")
    table = whole_table(a_file(tmp_path, lines.encode()), ["a", "b", "c"])
    assert table.select("a", "b", "c").rows() == rows
    assert table["line"].to_list() == list(range(1, len(rows) + 1))


@pytest.mark.parametrize("block", [7, 1 << 24])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\tb\nc\n", r"file.txt:2: got 1 columns, expected 2: x, y"),
        (b"a\tb\nc\td\te\n", r"file.txt:2: got 3 columns, expected 2"),
        (b"a\tb\n\n", r"file.txt:2: got 1 columns"),
        (b"a\tb\nc\tcaf\xe9\n", r"file.txt:2: got the byte 0xe9, which is not UTF-8"),
        (b"a\tb\nc\td\ne\t\xff", r"file.txt:3: got the byte 0xff"),
        (b"a\tb\nc\t\0\n", r"file.txt:2: got a NUL"),
        (b"", r"file.txt: got an empty file"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, content: bytes, expected: str
) -> None:
    monkeypatch.setattr(text_module, "_BLOCK", block)
    with pytest.raises(CollectionError, match=expected):
        list(separated(a_file(tmp_path, content), ["x", "y"]))


def test_a_line_of_100_megabytes_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.tsv"
    with path.open("wb") as file:
        file.write(b"a\tb\n")
        file.seek(100_000_000)
        file.write(b"\n")
    with pytest.raises(CollectionError, match=r"long.tsv:2: got (a NUL|more than 10,000,000 bytes)"):
        list(separated(Text(path), ["x", "y"]))
    long = a_file(tmp_path, b"a\tb\nc\t" + b"d" * 11_000_000 + b"\ne\tf\n")
    with pytest.raises(CollectionError, match=r"file.txt:2: got more than 10,000,000 bytes"):
        list(separated(long, ["x", "y"]))


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_content(tmp_path: Path) -> None:
    table = whole_table(a_file(tmp_path, b"\xef\xbb\xbfa\tb\r\nc\td\r\n"), ["x", "y"])
    assert table.select("x", "y").rows() == [("a", "b"), ("c", "d")]


def test_gzip_is_read_as_it_is_and_told_when_cut_off(tmp_path: Path) -> None:
    whole = gzip.compress(b"a\tb\n" * 5_000)
    assert len(whole_table(a_file(tmp_path, whole, "whole.tsv.gz"), ["x", "y"])) == 5_000
    with pytest.raises(CollectionError, match=r"cut.tsv.gz: got EOFError"):
        whole_table(a_file(tmp_path, whole[:-10], "cut.tsv.gz"), ["x", "y"])
    with pytest.raises(CollectionError, match=r"plain.tsv.gz: got BadGzipFile"):
        whole_table(a_file(tmp_path, b"a\tb\n", "plain.tsv.gz"), ["x", "y"])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("[1, 2]", r"file.txt:2: got \[1, 2\], which is no object"),
        ("null", "null, which is no object"),
        ('{"_id": "a"', "got no JSON"),
        ('{"_id": "a"}', "text: null, expected a string text"),
        ('{"_id": 7, "text": "b"}', "_id: 7, expected a string _id"),
        ('{"_id": "a", "text": "\\ud800"}', "half a character in text"),
        ("[" * 100_000, "got no JSON"),
        ("", "got no JSON"),
    ],
)
def test_json_lines_that_are_no_passages(tmp_path: Path, line: str, expected: str) -> None:
    content = json.dumps({"_id": "1", "text": "one", "metadata": {}}) + "\n" + line + "\n"
    with pytest.raises(CollectionError, match=expected):
        list(json_objects(a_file(tmp_path, content.encode()), KEYS, frozenset(["title"])))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["_id", "text", "title", "x"]), inner),
    max_leaves=6,
)
# What files look like, with something wrong in them, or anywhere else.
PIECES = st.sampled_from(
    [b"q1\t0\tp1\t1\n", b"query-id\tcorpus-id\tscore\n", b"q1 Q0 p1 1 2.5 tag\n", b"\t", b"\n", b"\r", b"\0", b"\xff",
     b"<DOC>\n", b"<DOCNO>d</DOCNO>\n", b"</DOC>\n", b"<top>\n", b"<num> Number: 1\n", b"<title> a\n", b"</top>\n",
     b'{"_id": "a", "text": "b"}\n', b"nan", b"PAR1", b"q1\tp1\tnan\n"]
)  # fmt: skip
FILES = st.one_of(
    st.binary(max_size=200),
    st.lists(PIECES | st.binary(max_size=5), max_size=12).map(b"".join),
    st.lists(JSON, max_size=5).map(lambda lines: "\n".join(json.dumps(line) for line in lines).encode()),
)


def trec(path: Path) -> None:
    files = {"queries": path.name, "qrels": path.name}
    source = TrecSource(
        TrecFiles.model_validate(
            {"source": "trec", "location": str(path.parent), "passages": path.name, "splits": {"test": files}}
        )
    )
    for read in (lambda: list(source.passages()), source.queries, source.qrels):
        only_told(read)


def parquet(path: Path) -> None:
    path.rename(path.with_name("queries.parquet"))
    ParquetSource(ParquetTables(source="parquet", location=str(path.parent))).queries()


def only_told(read: Callable[[], Any]) -> None:
    try:
        read()
    except CollectionError as error:
        assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    "read",
    [
        lambda path: read_qrels(Text(path), "test"),
        lambda path: read_queries(Text(path)),
        lambda path: list(read_passages(Text(path))),
        lambda path: list(json_objects(Text(path), KEYS, frozenset(["title"]))),
        lambda path: read_given_run(FileElsewhere(location=str(path), checksum=None)),
        trec,
        parquet,
    ],
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(content=FILES)
def test_whatever_is_in_a_file_it_is_read_or_refused(
    tmp_path: Path, read: Callable[[Path], Any], content: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    only_told(lambda: read(path))


@settings(max_examples=100)
@given(relevance=st.integers(-3, 5), form=st.sampled_from(["trec", "beir", "beir without a header", "spaces"]))
def test_qrels_of_each_form_say_the_same(tmp_path_factory: pytest.TempPathFactory, relevance: int, form: str) -> None:
    line = {
        "trec": f"q1\t0\tp1\t{relevance}\n",
        "beir": f"query-id\tcorpus-id\tscore\nq1\tp1\t{relevance}\n",
        "beir without a header": f"q1\tp1\t{relevance}\n",
        "spaces": f"q1  0 p1   {relevance}\n",
    }[form]
    qrels = read_qrels(a_file(tmp_path_factory.mktemp("qrels"), line.encode()), "dl19")
    assert qrels.rows() == [("q1", "p1", relevance, "dl19")]
    assert qrels.schema["relevance"] == pl.Int64

"""TREC's own files: documents in <DOC>, topics in <top>, and qrels."""

import html
import re
from collections.abc import Iterator
from typing import Literal

import polars as pl

from distilrank.data.collection import SCHEMAS
from distilrank.data.files import Files
from distilrank.data.sources.section import InFiles
from distilrank.data.sources.source import PASSAGES_AT_ONCE
from distilrank.data.tables import of_splits, read_qrels
from distilrank.data.text import Text

TITLES = ("TITLE", "HEADLINE", "TI", "HL")
# A document without any of these is text as a whole.
TEXTS = ("TEXT", "BODY", "ABSTRACT")
_LONGEST = 10_000_000
_TAG = re.compile(r"<[^>]*>")


class TrecFiles(InFiles):
    """TREC's own forms: documents in <DOC>, topics in <top>, and qrels."""

    source: Literal["trec"]

    def opened(self) -> "TrecSource":
        return TrecSource(self)


class TrecSource:
    def __init__(self, params: TrecFiles) -> None:
        self._params = params
        self._files = Files(params.location, params.mirrors, params.checksums)

    def passages(self) -> Iterator[pl.DataFrame]:
        text = self._files.text(self._params.passages)
        rows: list[tuple[str, str, str]] = []
        for line, document in _elements(text, "DOC"):
            passage_id = _named(text, line, document, "DOCNO")
            body = " ".join(_parts(document, TEXTS)) or _plain(re.sub("(?is)<DOCNO>.*?</DOCNO>", "", document))
            rows.append((passage_id, " ".join(_parts(document, TITLES)), body))
            if len(rows) == PASSAGES_AT_ONCE:
                yield _passages(rows)
                rows = []
        yield _passages(rows)

    def queries(self) -> pl.DataFrame:
        labelled = {split: self._topics(files.queries) for split, files in self._params.splits.items()}
        return of_splits(labelled, self._topics(self._params.unlabelled) if self._params.unlabelled else None)

    def qrels(self) -> pl.DataFrame:
        splits = self._params.splits.items()
        return pl.concat(read_qrels(self._files.text(files.qrels), split) for split, files in splits)

    def _topics(self, name: str) -> pl.DataFrame:
        """The numbers and titles of topics, whose tags need not be closed."""
        text = self._files.text(name)
        rows = [
            (_field(text, line, topic, "num", "Number:"), _field(text, line, topic, "title", "Topic:"))
            for line, topic in _elements(text, "top")
        ]
        return pl.DataFrame(rows, schema={"query_id": pl.String, "text": pl.String}, orient="row")


def _elements(text: Text, tag: str) -> Iterator[tuple[int, str]]:
    """What is between <tag> and </tag>, and the number of the line where it begins. Raises CollectionError."""
    start, length = 0, 0
    inside: list[str] = []
    for first, lines in text.blocks():
        for number, line in enumerate(lines, first):
            mark = line.strip().lower()
            if mark == f"<{tag}>".lower():
                if start:
                    raise text.refused(number, f"<{tag}> within the one of line {start}", f"</{tag}>")
                start, inside, length = number, [], 0
            elif mark == f"</{tag}>".lower() and start:
                yield start, "\n".join(inside)
                start = 0
            elif start:
                inside.append(line)
                length += len(line)
                if length > _LONGEST:
                    raise text.refused(start, f"more than {_LONGEST:,} letters in <{tag}>", "shorter ones")
            elif mark:
                raise text.refused(number, f"'{line[:40]}' outside of <{tag}>", f"<{tag}>, alone on its line")
    if start:
        raise text.refused(start, f"<{tag}> without an end", f"</{tag}>")


def _parts(document: str, tags: tuple[str, ...]) -> list[str]:
    found = [piece for tag in tags for piece in re.findall(rf"(?is)<{tag}>(.*?)</{tag}>", document)]
    return [plain for piece in found if (plain := _plain(piece))]


def _named(text: Text, line: int, document: str, tag: str) -> str:
    found = _parts(document, (tag,))
    if not found:
        raise text.refused(line, f"no <{tag}>", "one in each document")
    return found[0]


def _field(text: Text, line: int, topic: str, tag: str, label: str) -> str:
    found = re.search(rf"(?is)<{tag}>(.*?)(?=<\w|</|\Z)", topic)
    if not found:
        raise text.refused(line, f"no <{tag}>", "one in each topic")
    return _plain(found[1]).removeprefix(label).strip()


def _plain(piece: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", piece)).split())


def _passages(rows: list[tuple[str, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMAS["passages"], orient="row")

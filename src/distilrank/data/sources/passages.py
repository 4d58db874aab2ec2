"""Passages without queries: a file, or a folder of texts. Queries are made from them, or come from a model's users."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from distilrank.data.collection import SCHEMAS
from distilrank.data.files import text_of
from distilrank.data.sources.section import Located
from distilrank.data.sources.source import PASSAGES_AT_ONCE
from distilrank.data.tables import of_splits, read_passages, read_queries
from distilrank.data.text import Text, json_objects
from distilrank.errors import CollectionError
from distilrank.sections.base import is_remote

_TEXTS = (".txt", ".md")
_OBJECT = {"_id": "passage_id", "title": "title", "text": "text"}


class Passages(Located):
    """Passages alone, without queries: tab-separated (id, text; or id, title, text), JSON lines as BEIR's corpus.jsonl
    (if its name ends in .jsonl or .jsonl.gz), or a folder of .txt and .md files, split into passages of `words`."""

    source: Literal["passages"]

    words: int = Field(ge=1, default=120)
    """For a folder: words per passage. A longer text becomes several passages."""

    def splits_to_come(self) -> set[str]:
        return set()

    def opened(self) -> "PassageSource":
        return PassageSource(self)


class PassageSource:
    def __init__(self, params: Passages) -> None:
        self._params = params

    def passages(self) -> Iterator[pl.DataFrame]:
        location = self._params.location
        if not is_remote(location) and Path(location).is_dir():
            return _of_folder(Path(location), self._params.words)
        text = self._text(location)
        if location.removesuffix(".gz").endswith(".jsonl"):
            return json_objects(text, _OBJECT, frozenset(["title"]))
        return read_passages(text)

    def queries(self) -> pl.DataFrame:
        if not self._params.unlabelled:
            return pl.DataFrame(schema=SCHEMAS["queries"])
        return of_splits({}, read_queries(self._text(self._params.unlabelled)))

    def qrels(self) -> pl.DataFrame:
        return pl.DataFrame(schema=SCHEMAS["qrels"])

    def _text(self, location: str) -> Text:
        name = location.partition("#")[0].rpartition("/")[2]
        return text_of(location, self._params.checksums.get(name), self._params.mirrors)


def _of_folder(folder: Path, words: int) -> Iterator[pl.DataFrame]:
    files = sorted(file for file in folder.rglob("*") if file.suffix in _TEXTS and file.is_file())
    if not files:
        raise CollectionError(
            folder, got=f"no file that ends in {' or '.join(_TEXTS)}", expected="texts", remedy="correct the location"
        )
    rows: list[tuple[str, str, str]] = []
    for file in files:
        rows += _passages_of(file, folder, words)
        if len(rows) >= PASSAGES_AT_ONCE:
            yield pl.DataFrame(rows, schema=SCHEMAS["passages"], orient="row")
            rows = []
    yield pl.DataFrame(rows, schema=SCHEMAS["passages"], orient="row")


def _passages_of(file: Path, folder: Path, words: int) -> Iterator[tuple[str, str, str]]:
    """The passages of a file: the first has the file's path below the folder as its id, the others also #2 and so on.

    The title is the first line where that is a Markdown heading, else the file's name. An empty file has no passage.
    """
    lines = [line for _, some in Text(file).blocks() for line in some] if file.stat().st_size else []
    heading = re.fullmatch(r"#+ +(.+)", lines[0].strip()) if lines else None
    every = " ".join(lines[1:] if heading else lines).split()
    passage_id = re.sub(r"\s", "_", file.relative_to(folder).as_posix())
    for number, start in enumerate(range(0, len(every), words), 1):
        name = passage_id if number == 1 else f"{passage_id}#{number}"
        yield name, heading[1] if heading else file.stem, " ".join(every[start : start + words])

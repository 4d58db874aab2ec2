"""Passages without labels: a file, or a folder of texts. Queries are made from them, or come from a log, with users'
clicks or without."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

import polars as pl
from pydantic import Field, model_validator

from distilrank.data.collection import SCHEMAS, TRAIN
from distilrank.data.files import text_of
from distilrank.data.sources.clicked import CLICKED, clicked_pairs, split_by_clicks
from distilrank.data.sources.section import FileName, Located
from distilrank.data.sources.source import PASSAGES_AT_ONCE
from distilrank.data.tables import of_splits, read_passages, read_qrels, read_queries
from distilrank.data.text import Text, json_objects
from distilrank.errors import CollectionError
from distilrank.sections.base import Share, is_remote

_TEXTS = (".txt", ".md")
_OBJECT = {"_id": "passage_id", "title": "title", "text": "text"}


class Passages(Located):
    """Passages alone, without labels: tab-separated (id, text; or id, title, text), JSON lines as BEIR's corpus.jsonl
    (if its name ends in .jsonl or .jsonl.gz), or a folder of .txt and .md files, split into passages of `words`."""

    source: Literal["passages"]

    words: int = Field(ge=1, default=120)
    """For a folder: words per passage. A longer text becomes several passages."""

    clicks: FileName | None = None
    """A file of clicks, in the form of qrels, by the queries of `unlabelled`. A query with clicks becomes a training
    query, and what was clicked counts as relevant to it. null: no clicks are known.
    """

    test_share: Share | None = None
    """Share of the queries with clicks that become the test set `clicked`. null: none."""

    @model_validator(mode="after")
    def has_queries_for_its_clicks(self) -> Self:
        if self.clicks and not self.unlabelled:
            raise ValueError("clicks are by the queries of a log: name its file in unlabelled, or set clicks: null")
        if self.test_share and not self.clicks:
            raise ValueError("test_share is of queries with clicks: name their file in clicks, or set test_share: null")
        return self

    def splits_to_come(self) -> set[str]:
        return {TRAIN, *([CLICKED] if self.test_share else [])} if self.clicks else set()

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
        logged = read_queries(self._text(self._params.unlabelled))
        if not self._params.clicks:
            return of_splits({}, logged)
        return split_by_clicks(logged, self._clicked(), self._params.test_share)

    def qrels(self) -> pl.DataFrame:
        if not self._params.clicks:
            return pl.DataFrame(schema=SCHEMAS["qrels"])
        splits = self.queries().select("query_id", "split").unique("query_id")
        return self._clicked().join(splits, on="query_id", how="left", maintain_order="left")

    def _clicked(self) -> pl.DataFrame:
        return clicked_pairs(read_qrels(self._text(self._params.clicks or ""), CLICKED))

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

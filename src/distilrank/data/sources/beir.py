"""Collections in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/NAME.tsv."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from distilrank.data.files import Files
from distilrank.data.sources.section import FileName, Located
from distilrank.data.tables import read_qrels, split_by_qrels
from distilrank.data.text import json_objects
from distilrank.errors import CollectionError
from distilrank.sections.base import SplitName

PASSAGE = {"_id": "passage_id", "title": "title", "text": "text"}
QUERY = {"_id": "query_id", "text": "text"}


class Beir(Located):
    """BEIR's layout: corpus.jsonl, queries.jsonl, and qrels/NAME.tsv for each split."""

    source: Literal["beir"]

    # As BEIR's own evaluation does, so that results can be compared.
    exclude_identical_ids: bool = True

    splits: dict[SplitName, FileName] = Field(default={"train": "train", "dev": "dev", "test": "test"})
    """The NAME in qrels/ of each split; or, with a slash, the path of another qrels file. Without this key: those of
    the three that exist.
    """

    def splits_to_come(self) -> set[str] | None:
        if "splits" in self.model_fields_set:
            return set(self.splits)
        folder = Path(self.location) / "qrels"
        if not folder.is_dir():
            return None
        return {split for split, name in self.splits.items() if any(folder.glob(f"{name}.tsv*"))}

    def opened(self) -> "BeirSource":
        return BeirSource(self)


class BeirSource:
    def __init__(self, params: Beir) -> None:
        self._params = params
        self._files = Files(params.location, params.mirrors, params.checksums)

    def passages(self) -> Iterator[pl.DataFrame]:
        return json_objects(self._files.text("corpus.jsonl"), PASSAGE, frozenset(["title"]))

    def queries(self) -> pl.DataFrame:
        return split_by_qrels(
            self._read("queries.jsonl"),
            self.qrels(),
            self._read(self._params.unlabelled) if self._params.unlabelled else None,
        )

    def qrels(self) -> pl.DataFrame:
        """The qrels of the splits whose file exists. The file of a split that the params name must exist."""
        named = self._params.splits if "splits" in self._params.model_fields_set else {}
        splits = self._params.splits.items()
        files = {split: name if "/" in name else f"qrels/{name}.tsv" for split, name in splits}
        present = {split: file for split, file in files.items() if split in named or self._files.has(file)}
        if not present:
            raise CollectionError(
                self._params.location,
                got="no qrels",
                expected=f"some of {', '.join(files.values())}",
                remedy="name the qrels files that exist in collection.splits",
            )
        return pl.concat(read_qrels(self._files.text(file), split) for split, file in present.items())

    def _read(self, name: str) -> pl.DataFrame:
        return pl.concat(json_objects(self._files.text(name), QUERY))

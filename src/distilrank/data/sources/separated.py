"""Tab-separated files of the user's own."""

from collections.abc import Iterator
from typing import Literal

import polars as pl

from distilrank.data.files import Files
from distilrank.data.sources.section import InFiles
from distilrank.data.tables import of_splits, read_passages, read_qrels, read_queries


class SeparatedFiles(InFiles):
    """Tab-separated passages (id, text; or id, title, text) and queries (id, text), and qrels."""

    source: Literal["tsv"]

    def opened(self) -> "SeparatedSource":
        return SeparatedSource(self)


class SeparatedSource:
    def __init__(self, params: SeparatedFiles) -> None:
        self._params = params
        self._files = Files(params.location, params.mirrors, params.checksums)

    def passages(self) -> Iterator[pl.DataFrame]:
        return read_passages(self._files.text(self._params.passages))

    def queries(self) -> pl.DataFrame:
        labelled = {split: self._read(files.queries) for split, files in self._params.splits.items()}
        return of_splits(labelled, self._read(self._params.unlabelled) if self._params.unlabelled else None)

    def qrels(self) -> pl.DataFrame:
        splits = self._params.splits.items()
        return pl.concat(read_qrels(self._files.text(files.qrels), split) for split, files in splits)

    def _read(self, name: str) -> pl.DataFrame:
        return read_queries(self._files.text(name))

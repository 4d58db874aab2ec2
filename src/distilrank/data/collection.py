"""A collection: passages, queries and qrels, as three tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import polars as pl

from distilrank.artifacts.files import built

# Any other split is a test set: `test`, or several test sets with names of their own.
TRAIN, DEV, UNLABELLED = "train", "dev", "unlabelled"
SCHEMAS: dict[str, dict[str, type[pl.DataType]]] = {
    "passages": {"passage_id": pl.String, "title": pl.String, "text": pl.String},
    "queries": {"query_id": pl.String, "text": pl.String, "split": pl.String},
    "qrels": {"query_id": pl.String, "passage_id": pl.String, "relevance": pl.Int64, "split": pl.String},
}
_TITLE, _TEXT = pl.col("title"), pl.col("text")
# What rankers read of a passage: its title, if there is one, and its text.
WHOLE_TEXT = pl.when(_TITLE == "").then(_TEXT).otherwise(_TITLE + " " + _TEXT)


@dataclass(frozen=True)
class Collection:
    """The tables as in SCHEMAS: passages, queries, and qrels, which say how relevant a passage is to a query.

    Rows are sorted by id, so a row number identifies a passage or a query everywhere. Passages stay on disk.
    """

    passages_file: Path
    queries: pl.DataFrame
    qrels: pl.DataFrame

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Reads the tables that the stage `collect` wrote. Raises MissingInput."""
        passages, queries, qrels = (built(directory / f"{name}.parquet") for name in SCHEMAS)
        return cls(passages, pl.read_parquet(queries), pl.read_parquet(qrels))

    @property
    def passages(self) -> pl.LazyFrame:
        return pl.scan_parquet(self.passages_file)

    def queries_of(self, split: str) -> pl.DataFrame:
        """The queries of `train`, `dev`, `unlabelled` or one test set."""
        return self.queries.filter(pl.col("split") == split)

    def qrels_of(self, split: str) -> pl.DataFrame:
        return self.qrels.filter(pl.col("split") == split)

    def test_sets(self) -> list[str]:
        """The names of the test sets that have queries."""
        return sorted(set(self.queries["split"]) - {TRAIN, DEV, UNLABELLED})

    def test_qrels(self) -> pl.DataFrame:
        """The qrels of all test sets."""
        return self.qrels.filter(pl.col("split").is_in(self.test_sets()))

    def passage_ids(self) -> pl.Series:
        return self.passages.select("passage_id").collect().to_series()

    def passage_texts(self, at_once: int = 10_000) -> Iterator[list[str]]:
        """What rankers and BM25 read of passages, some at a time: the title, if there is one, and the text."""
        import pyarrow.parquet as pq  # imported late, so that params.yaml is read sooner

        with pq.ParquetFile(self.passages_file) as file:
            for batch in file.iter_batches(at_once, columns=["title", "text"]):
                yield pl.DataFrame(batch).select(WHOLE_TEXT).to_series().to_list()

    def texts_of(self, passage_ids: pl.Series) -> pl.DataFrame:
        """The same for some passages: (passage_id, passage_text)."""
        some = self.passages.filter(pl.col("passage_id").is_in(passage_ids.to_list()))
        return some.select("passage_id", WHOLE_TEXT.alias("passage_text")).collect()

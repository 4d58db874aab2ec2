"""What a source gives; the stage `collect` checks it."""

from collections.abc import Iterator
from typing import Protocol

import polars as pl

# Rows that a source hands on at once, where it chooses itself.
PASSAGES_AT_ONCE = 50_000


class Source(Protocol):
    """Tables as they are, faults included: nobody has checked them. Each raises CollectionError and DownloadError."""

    def passages(self) -> Iterator[pl.DataFrame]:
        """(passage_id, title, text), some at a time."""

    def queries(self) -> pl.DataFrame:
        """(query_id, text, split), in any order; a query of no split has null."""

    def qrels(self) -> pl.DataFrame:
        """(query_id, passage_id, relevance, split)."""

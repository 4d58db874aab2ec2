"""What a source gives. The stage `collect` checks it."""

from collections.abc import Iterator
from typing import Protocol

import polars as pl

# How many rows a source gives at once, where it chooses itself.
PASSAGES_AT_ONCE = 50_000


class Source(Protocol):
    """The tables as they are, unchecked and with their faults. Each method raises CollectionError and DownloadError."""

    def passages(self) -> Iterator[pl.DataFrame]:
        """(passage_id, title, text), some at a time."""

    def queries(self) -> pl.DataFrame:
        """(query_id, text, split), in any order. The split of a query that has none is null."""

    def qrels(self) -> pl.DataFrame:
        """(query_id, passage_id, relevance, split)."""

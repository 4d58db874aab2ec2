"""Only the test queries of a source, which are all that measuring needs."""

from collections.abc import Iterator

import polars as pl

from distilrank.data.collection import DEV, TRAIN, UNLABELLED
from distilrank.data.sources.source import Source
from distilrank.errors import CollectionError

_OTHERS = pl.col("split").is_in([TRAIN, DEV, UNLABELLED])


class OnlyTestQueries:
    """A source without its other queries, so that nothing that is wrong with them is found."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def passages(self) -> Iterator[pl.DataFrame]:
        return self._source.passages()

    def queries(self) -> pl.DataFrame:
        """The test queries. Raises CollectionError if there are none."""
        queries = self._source.queries().filter(~_OTHERS.fill_null(False))
        if queries["split"].is_null().all():
            raise CollectionError(
                "the collection",
                got="no test queries",
                expected="some, to measure by",
                remedy="name a test set in its splits, such as {test: train} to measure on its training queries",
            )
        return queries

    def qrels(self) -> pl.DataFrame:
        return self._source.qrels().filter(~_OTHERS)

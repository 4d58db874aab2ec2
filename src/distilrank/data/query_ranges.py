"""Ranges of queries, so that joining triples takes bounded memory, however many there are."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class QueryRange:
    """The queries from `first` to `last`, in the order of their ids."""

    first: str
    last: str

    def of(self, table: pl.LazyFrame) -> pl.LazyFrame:
        """The rows of `table` whose query_id is in the range."""
        return table.filter(pl.col("query_id").is_between(pl.lit(self.first), pl.lit(self.last)))


def query_ranges(triples: pl.LazyFrame, pairs_at_once: int) -> list[QueryRange]:
    """Ranges that cover all queries, with at most `pairs_at_once` pairs each. A pair counts as often as triples have
    it.

    A query with more pairs makes a range of its own.
    """
    pairs = 1 + pl.col("negative_ids").list.len().cast(pl.UInt64)
    counts = triples.group_by("query_id").agg(pairs=pairs.sum()).collect(engine="streaming").sort("query_id")
    ranges: list[QueryRange] = []
    held = pairs_at_once
    for query, count in counts.iter_rows():
        if held + count > pairs_at_once:
            ranges.append(QueryRange(query, query))
            held = count
        else:
            ranges[-1] = QueryRange(ranges[-1].first, query)
            held += count
    return ranges

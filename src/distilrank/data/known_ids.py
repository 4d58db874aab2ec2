"""Finds the ids of queries and passages, by the ids themselves or by texts."""

from typing import Self

import numpy as np
import polars as pl

from distilrank.data.collection import WHOLE_TEXT


class KnownIds:
    """Ids by id or text. Of several with one text, the first in the table counts. White space around a text is
    ignored."""

    def __init__(self, table: pl.LazyFrame, name: str, text: pl.Expr | None) -> None:
        self._by_texts = text is not None
        key = pl.col(name) if text is None else text.str.strip_chars()
        found = table.select(pl.col(name).alias("id"), key=key.hash()).collect()
        found = found.unique("key", keep="first", maintain_order=True).sort("key")
        self._ids, self._keys = found["id"], found["key"].to_numpy()

    @classmethod
    def of_queries(cls, queries: pl.DataFrame, by_texts: bool) -> Self:
        return cls(queries.lazy(), "query_id", pl.col("text") if by_texts else None)

    @classmethod
    def of_passages(cls, passages: pl.LazyFrame, by_texts: bool) -> Self:
        return cls(passages, "passage_id", WHOLE_TEXT if by_texts else None)

    def ids_of(self, given: pl.Series) -> pl.Series:
        """The id of each given value, null where there is none."""
        keys = (given.str.strip_chars() if self._by_texts else given).hash().to_numpy()
        rows = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return self._ids.gather(pl.Series(np.where(self._keys[rows] == keys, rows, -1)).replace(-1, None))

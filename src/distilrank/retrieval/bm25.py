"""BM25 over whole texts, by bm25s."""

from collections.abc import Sequence

import bm25s
import numpy as np
import polars as pl

from distilrank.data.runs import RUN_SCHEMA
from distilrank.params import Candidates

# Queries answered at once: bounds the memory for their scores.
_CHUNK = 1_000


class BM25:
    """An index over passages, held in memory."""

    def __init__(self, passage_ids: pl.Series, texts: Sequence[str], params: Candidates) -> None:
        self._passage_ids = passage_ids
        self._index = bm25s.BM25(k1=params.k1, b=params.b)
        self._index.index(bm25s.tokenize(list(texts), show_progress=False), show_progress=False)

    def search(self, query_ids: Sequence[str], texts: Sequence[str], depth: int) -> pl.DataFrame:
        """A run: the best `depth` passages of each query, without those that share no term with it."""
        chunks = [
            self._search(query_ids[start : start + _CHUNK], texts[start : start + _CHUNK], depth)
            for start in range(0, len(texts), _CHUNK)
        ]
        return pl.concat(chunks)

    def _search(self, query_ids: Sequence[str], texts: Sequence[str], depth: int) -> pl.DataFrame:
        depth = min(depth, len(self._passage_ids))
        tokens = bm25s.tokenize(list(texts), return_ids=False, show_progress=False)
        rows, scores = self._index.retrieve(tokens, k=depth, n_threads=-1, show_progress=False)
        found = pl.DataFrame(
            {
                "query_id": np.repeat(np.asarray(query_ids, object), depth),
                "passage_id": self._passage_ids.gather(rows.ravel()),
                "score": scores.ravel().astype(np.float64),
            },
            schema=RUN_SCHEMA,
        )
        return found.filter(pl.col("score") > 0)

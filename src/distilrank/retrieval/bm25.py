"""BM25 over whole texts, by bm25s."""

from collections.abc import Iterable, Sequence

import bm25s
import numpy as np
import numpy.typing as npt
import polars as pl

from distilrank.data.runs import RUN_SCHEMA
from distilrank.errors import CollectionError
from distilrank.sections import Candidates

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


class BM25:
    """An index over passages, held in memory. Raises CollectionError if their texts hold no term."""

    def __init__(self, passage_ids: pl.Series, texts: Iterable[Sequence[str]], params: Candidates) -> None:
        self._passage_ids = passage_ids
        self._index = bm25s.BM25(k1=params.k1, b=params.b)
        terms = [t for some in texts for t in bm25s.tokenize(list(some), return_ids=False, show_progress=False)]
        if not any(terms):
            raise CollectionError(
                "table passages",
                got="no term in any text",
                expected="words of two letters or more that are not stop words",
                remedy="check the texts",
            )
        self._index.index(terms, show_progress=False)

    def search(self, query_ids: Sequence[str], texts: Sequence[str], depth: int) -> pl.DataFrame:
        """A run: the best `depth` passages of each query, without those that share no term with it."""
        terms = bm25s.tokenize(list(texts), return_ids=False, show_progress=False)
        found = [self._best(self._scores(words), depth) for words in terms]
        rows, scores = (np.concatenate([np.empty(0), *parts]) for parts in zip(*found, strict=True))
        return pl.DataFrame(
            {
                "query_id": np.repeat(np.asarray(query_ids, object), [len(rows) for rows, _ in found]),
                "passage_id": self._passage_ids.gather(rows.astype(np.int64)),
                "score": scores,
            },
            schema=RUN_SCHEMA,
        )

    def _scores(self, terms: list[str]) -> Scores:
        nothing: Scores = np.zeros(len(self._passage_ids), np.float32)
        return self._index.get_scores(terms) if terms else nothing

    @staticmethod
    def _best(scores: Scores, depth: int) -> tuple[Rows, Scores]:
        """Rows by score, then row, both descending. Most scores are 0: to leave them out first makes it quick."""
        rows = np.flatnonzero(scores)
        best = rows[np.lexsort((rows, scores[rows]))[::-1][:depth]]
        return best, scores[best]

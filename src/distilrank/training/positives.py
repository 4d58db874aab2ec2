"""Which passages are known to be relevant to a query, so that they are never its negatives."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from distilrank.data.ragged import Rows


@dataclass(frozen=True)
class Positives:
    """Pairs of relevant texts by row, sorted by query: those of query q are passages[offsets[q]:offsets[q + 1]]."""

    offsets: Rows
    passages: Rows

    @classmethod
    def of(cls, queries: Rows, passages: Rows) -> Self:
        """Takes pairs (pairs,) in any order, also several times."""
        width = int(passages.max(initial=0)) + 1
        pairs = np.unique(queries * width + passages)
        return cls(np.searchsorted(pairs // width, np.arange(int(queries.max(initial=-1)) + 2)), pairs % width)

    def among(self, queries: Rows, passages: Rows) -> npt.NDArray[np.bool_]:
        """Marks (queries, passages) where a passage is a known positive of the query.

        `passages` are the same for all queries (passages,), or a row for each query (queries, passages).
        """
        faced = np.broadcast_to(passages, (len(queries), passages.shape[-1]))
        marked = np.zeros(faced.shape, np.bool_)
        for row, query in enumerate(queries):
            if query + 1 < len(self.offsets):
                marked[row] = np.isin(faced[row], self.passages[self.offsets[query] : self.offsets[query + 1]])
        return marked

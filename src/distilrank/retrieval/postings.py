"""An inverted index: the scores of all terms in all passages, BM25's or those of a learned sparse vector.

bm25s holds every token as a Python object while it indexes, which is too much for millions of passages. Here a
passage's terms are numbers in arrays from the start.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from threading import local
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from distilrank.data.ragged import Rows as LongRows
from distilrank.retrieval.drawn import best
from distilrank.sections.data import Candidates

Rows = npt.NDArray[np.int32]
TermScores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Postings:
    """Term i is in the passages rows[starts[i]:starts[i + 1]], which ascend, and gives them those scores."""

    starts: npt.NDArray[np.int64]
    rows: Rows
    scores: TermScores
    passages: int
    # Each thread's sums, all zero between queries.
    _own: local = field(default_factory=local, compare=False)

    @classmethod
    def made(cls, passages: Iterable[Sequence[Sequence[int]]], params: Candidates) -> Self:
        """Robertson's BM25 with Lucene's idf (Kamphuis et al. 2020, table 1). The terms come by passage, some passages
        at a time."""
        counted = [_Counted.of(some) for some in passages]
        lengths = np.concatenate([np.empty(0, np.int32), *(batch.lengths for batch in counted)])
        starts = _starts(counted)
        holding = np.diff(starts)
        idf = np.log(1 + (len(lengths) - holding + 0.5) / (holding + 0.5))
        norms = params.k1 * (1 - params.b + params.b * lengths / max(lengths.sum() / max(len(lengths), 1), 1e-9))
        rows, scores = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
        free, first = starts[:-1].copy(), 0
        # Each goes as soon as its scores have their place.
        counted.reverse()
        while counted:
            batch = counted.pop()
            passages = batch.passages + first
            given = idf[batch.terms] * batch.counts / (batch.counts + norms[passages])
            _put(batch.terms, free, (passages, rows), (given, scores))
            first += len(batch.lengths)
        return cls(starts, rows, scores, len(lengths))

    @classmethod
    def of_weights(cls, blocks: "Blocks", terms: int, passages: int) -> Self:
        """Postings of entries (term, passage's row, weight), for so many terms and passages."""
        starts, (rows, scores) = transposed(blocks, terms, (np.int32, np.float32))
        return cls(starts, rows, scores, passages)

    def best(self, terms: Sequence[int], depth: int, weights: Iterable[float] = ()) -> tuple[LongRows, TermScores]:
        """The `depth` rows of the highest sums of scores, best first, and these sums. Ties go by lot.

        Each term counts once, or as often as its weight says. Passages that share no term are not found.
        """
        if not hasattr(self._own, "sums"):
            self._own.sums = np.zeros(self.passages, np.float32)
        sums: TermScores = self._own.sums
        for term, weight in zip(terms, weights or repeat(1.0), strict=False):
            place = slice(self.starts[term], self.starts[term + 1])
            sums[self.rows[place]] += self.scores[place] if weight == 1 else np.float32(weight) * self.scores[place]
        rows = np.flatnonzero(sums)
        scores = sums[rows]
        sums[rows] = 0
        return best(rows, scores, depth)

    def of(self, terms: Sequence[int], rows: Rows) -> TermScores:
        """The sums for the passages in `rows`, with each term counted once."""
        sums = np.zeros(len(rows), np.float32)
        for term in terms:
            place = slice(self.starts[term], self.starts[term + 1])
            holding, scores = self.rows[place], self.scores[place]
            at = np.minimum(np.searchsorted(holding, rows), len(holding) - 1)
            sums += np.where(holding[at] == rows, scores[at], 0)
        return sums


# Gives entries some at a time, each time that it is called: their terms, and arrays alike long, by passages.
Blocks = Callable[[], Iterable[tuple[npt.NDArray[Any], ...]]]


def transposed(
    blocks: Blocks, terms: int, kinds: Sequence[type[np.generic]]
) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[Any]]]:
    """Entries by term, and within a term in the order that they come: where each term starts, and the other arrays.

    Memory holds the given arrays, of these types, and one block.
    """
    holding = np.zeros(terms, np.int64)
    for some, *_ in blocks():
        holding += np.bincount(some, minlength=terms)
    starts = np.concatenate([[0], np.cumsum(holding)])
    arrays, free = [np.empty(starts[-1], kind) for kind in kinds], starts[:-1].copy()
    for some, *others in blocks():
        order = np.argsort(some, kind="stable")
        _put(some[order], free, *((one[order], into) for one, into in zip(others, arrays, strict=True)))
    return starts, arrays


def _put(
    terms: npt.NDArray[Any], free: npt.NDArray[np.int64], *moved: tuple[npt.NDArray[Any], npt.NDArray[Any]]
) -> None:
    """Moves entries, whose terms ascend, into arrays by term: to the first places that are free there."""
    places = free[terms] + _since_the_first(terms)
    for some, into in moved:
        into[places] = some
    free += np.bincount(terms, minlength=len(free))


@dataclass(frozen=True)
class _Counted:
    """How often each term is in each passage of a batch, by term, then by passage; and the passages' lengths."""

    terms: Rows
    passages: Rows
    counts: Rows
    lengths: Rows

    @classmethod
    def of(cls, terms: Sequence[Sequence[int]]) -> Self:
        lengths = np.fromiter(map(len, terms), np.int32, len(terms))
        flat = np.fromiter(chain.from_iterable(terms), np.int64, int(lengths.sum()))
        passages = np.repeat(np.arange(len(terms), dtype=np.int64), lengths)
        keys, counts = np.unique(flat * len(terms) + passages, return_counts=True)
        of_terms, of_passages = keys // max(len(terms), 1), keys % max(len(terms), 1)
        return cls(of_terms.astype(np.int32), of_passages.astype(np.int32), counts.astype(np.int32), lengths)


def _starts(counted: list[_Counted]) -> npt.NDArray[np.int64]:
    size = 1 + max((int(batch.terms.max(initial=-1)) for batch in counted), default=-1)
    holding = np.zeros(size, np.int64)
    for batch in counted:
        holding += np.bincount(batch.terms, minlength=size)
    return np.concatenate([[0], np.cumsum(holding)])


def _since_the_first(terms: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """For each of ascending numbers, how many before it are the same."""
    firsts = np.flatnonzero(np.concatenate([[True], terms[1:] != terms[:-1]])) if len(terms) else np.empty(0, np.int64)
    runs = np.diff(np.append(firsts, len(terms)))
    return np.arange(len(terms)) - np.repeat(firsts, runs)

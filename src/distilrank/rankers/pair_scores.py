"""Scores pairs of stored texts with any ranker."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from distilrank.data.ragged import Rows, StoredTexts
from distilrank.progress import Advance
from distilrank.rankers.base import SPECIAL_TOKENS, Ranker
from distilrank.rankers.inference import copies_pinned, each_batch
from distilrank.rankers.inputs import stored_batch
from distilrank.rankers.precision import autocast, float32_products
from distilrank.sections.precision import Precision


class PairScores(NamedTuple):
    """Raw scores (pairs,), and how many tokens, real and padded, the ranker read for them."""

    scores: npt.NDArray[np.float32]
    tokens: int
    padded_tokens: int


@dataclass(frozen=True)
class StoredPairs:
    """Pairs by the rows of their texts: pair i is query query_rows[i] and passage passage_rows[i]."""

    texts: StoredTexts
    query_rows: Rows
    passage_rows: Rows

    def first(self, number: int) -> Self:
        """Only the first `number` pairs."""
        return type(self)(self.texts, self.query_rows[:number], self.passage_rows[:number])

    def lengths(self) -> npt.NDArray[np.int64]:
        """The tokens (pairs,) of each pair, including its special tokens."""
        texts = self.texts.queries.lengths(self.query_rows) + self.texts.passages.lengths(self.passage_rows)
        lengths: npt.NDArray[np.int64] = texts + SPECIAL_TOKENS
        return lengths


def pair_scores(
    ranker: Ranker,
    pairs: StoredPairs,
    precision: Precision = "float32",
    budget: int | None = None,
    advance: Advance = lambda _: None,
) -> PairScores:
    """Scores all pairs, in their order, in batches of at most `budget` padded tokens."""
    texts, lengths, device = pairs.texts, pairs.lengths(), ranker.device
    pinned = copies_pinned(device)

    def score(batch: Rows) -> npt.NDArray[np.float32]:
        queries = stored_batch(texts.queries, pairs.query_rows[batch], texts.pad).to(device, pinned)
        passages = stored_batch(texts.passages, pairs.passage_rows[batch], texts.pad).to(device, pinned)
        with autocast(precision, device):
            scored: npt.NDArray[np.float32] = ranker.score(queries, passages).cpu().numpy()
        return scored

    scores = np.empty(len(lengths), np.float32)
    padded = 0
    with float32_products(precision, device):
        for batch, scored in each_batch(lengths, score, device, budget):
            scores[batch] = scored
            padded += int(lengths[batch].max()) * len(batch)
            advance(len(batch))
    return PairScores(scores, int(lengths.sum()), padded)

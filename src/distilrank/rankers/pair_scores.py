"""Scores pairs of stored texts with any ranker."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from distilrank.data.ragged import Rows, StoredTexts
from distilrank.progress import Advance
from distilrank.rankers.base import SPECIAL_TOKENS, Ranker
from distilrank.rankers.encoded_texts import encode_apart, interactions
from distilrank.rankers.inference import copies_pinned, each_batch
from distilrank.rankers.inputs import stored_batch
from distilrank.rankers.precision import autocast, float32_products
from distilrank.sections.precision import Precision

# Pairs whose texts are encoded, and kept, at once.
_PAIRS_AT_ONCE = 4_096
# Numbers of encodings, padding included, that meet at once.
_NUMBERS_AT_ONCE = 1 << 21


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

    def between(self, start: int, stop: int) -> Self:
        """Only the pairs from `start` to `stop`."""
        return type(self)(self.texts, self.query_rows[start:stop], self.passage_rows[start:stop])

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
    """Scores all pairs, in their order. The ranker reads batches of at most `budget` padded tokens.

    Unless it reads query and passage joined, pairs that share a text share its encoding.
    """
    # Streams of their own do not wait for encodings that another stream computes.
    if ranker.params.reads_pairs or copies_pinned(ranker.device):
        return _joined(ranker, pairs, precision, budget, advance)
    some = [
        _apart(ranker, pairs.between(start, start + _PAIRS_AT_ONCE), precision, budget, advance)
        for start in range(0, len(pairs.query_rows), _PAIRS_AT_ONCE)
    ]
    scores = np.concatenate([np.empty(0, np.float32), *(one.scores for one in some)])
    return PairScores(scores, sum(one.tokens for one in some), sum(one.padded_tokens for one in some))


def _apart(
    ranker: Ranker, pairs: StoredPairs, precision: Precision, budget: int | None, advance: Advance
) -> PairScores:
    """Encodes each query and each passage once. Then they meet in pairs."""
    texts, how = pairs.texts, (pairs.texts.pad, ranker.device, precision, budget)
    query_rows, query_of = np.unique(pairs.query_rows, return_inverse=True)
    passage_rows, passage_of = np.unique(pairs.passage_rows, return_inverse=True)
    queries = encode_apart(ranker.encode_queries, texts.queries, query_rows, *how)
    passages = encode_apart(ranker.encode_passages, texts.passages, passage_rows, *how)
    entries = max(1, _NUMBERS_AT_ONCE // passages.encoded.width)
    scores = interactions(ranker, queries.encoded, query_of, passages.encoded, passage_of, precision, entries, advance)
    return PairScores(scores, queries.tokens + passages.tokens, queries.padded_tokens + passages.padded_tokens)


def _joined(
    ranker: Ranker, pairs: StoredPairs, precision: Precision, budget: int | None, advance: Advance
) -> PairScores:
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

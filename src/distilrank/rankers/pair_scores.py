"""Scores pairs of stored texts with any ranker."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from distilrank.data.ragged import RaggedIds, Rows, StoredTexts
from distilrank.progress import Advance
from distilrank.rankers.base import SPECIAL_TOKENS, Encoded, Ranker, TokenBatch
from distilrank.rankers.encoded_texts import EncodedTexts, Entries, each_encoded, interactions
from distilrank.rankers.inference import copies_pinned, each_batch
from distilrank.rankers.inputs import stored_batch
from distilrank.rankers.precision import autocast, float32_products
from distilrank.sections.precision import Precision

# Pairs, and their tokens, whose texts are encoded and kept at once.
_PAIRS_AT_ONCE, _TOKENS_AT_ONCE = 2_048, 1 << 18
# Numbers of encodings, padding included, that meet at once: few enough for a processor's cache, and many on a card.
_NUMBERS_AT_ONCE, _NUMBERS_ON_CARD = 1 << 21, 1 << 27
# [CLS] and [SEP] of a text that is read alone.
_ALONE = 2


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

    A ranker that encodes queries and passages apart encodes each text once per 2,048 pairs, or fewer if they are long.
    """
    # A stream of its own does not wait for encodings that another stream computes.
    if ranker.params.reads_pairs or copies_pinned(ranker.device):
        return _pair_by_pair(ranker, pairs, precision, budget, advance)
    some = [_apart(ranker, part, precision, budget, advance) for part in _parts(pairs)]
    scores = np.concatenate([np.empty(0, np.float32), *(one.scores for one in some)])
    return PairScores(scores, sum(one.tokens for one in some), sum(one.padded_tokens for one in some))


def _parts(pairs: StoredPairs) -> Iterator[StoredPairs]:
    """Parts of successive pairs, each with at most so many tokens, or of one pair."""
    ends, start = np.cumsum(pairs.lengths()), 0
    while start < len(ends):
        most = int(np.searchsorted(ends, (ends[start - 1] if start else 0) + _TOKENS_AT_ONCE, side="right"))
        stop = min(max(most, start + 1), start + _PAIRS_AT_ONCE)
        yield pairs.between(start, stop)
        start = stop


def _apart(
    ranker: Ranker, pairs: StoredPairs, precision: Precision, budget: int | None, advance: Advance
) -> PairScores:
    """Encodes each query and each passage once. Then they meet in pairs."""
    texts, device = pairs.texts, ranker.device
    tokens = padded = 0

    def encoded(encode: Callable[[TokenBatch], Encoded], stored: RaggedIds, rows: Rows) -> EncodedTexts:
        nonlocal tokens, padded
        lengths = stored.lengths(rows) + _ALONE
        batches = [*each_encoded(encode, stored, rows, texts.pad, device, Entries.of, precision, budget)]
        tokens += int(lengths.sum())
        padded += sum(int(lengths[batch].max()) * len(batch) for batch, _ in batches)
        return EncodedTexts.placed(batches)

    query_rows, query_of = np.unique(pairs.query_rows, return_inverse=True)
    passage_rows, passage_of = np.unique(pairs.passage_rows, return_inverse=True)
    queries = encoded(ranker.encode_queries, texts.queries, query_rows)
    passages = encoded(ranker.encode_passages, texts.passages, passage_rows)
    numbers = _NUMBERS_AT_ONCE if device.type == "cpu" else _NUMBERS_ON_CARD
    entries = max(1, numbers // passages.width)
    scores = interactions(ranker, queries, query_of, passages, passage_of, precision, entries, advance)
    return PairScores(scores, tokens, padded)


def _pair_by_pair(
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

"""Batches of triples, from stored tokens: no tokenizer runs here, and nothing is computed twice or for padding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from distilrank.data.batches import batches_by_length
from distilrank.data.ragged import RaggedIds, Rows, StoredTexts, TripleRows
from distilrank.errors import ScoreError
from distilrank.rankers.base import SPECIAL_TOKENS
from distilrank.rankers.inputs import stored_batch


class TripleDataset(Dataset[int]):
    """Triples by number: `rows` say which of the `texts` they are, the positive before its n negatives.

    `teacher` (triples, 1 + n) has its scores of them in this order. Raises ScoreError for scores of another shape.
    """

    def __init__(self, rows: TripleRows, texts: StoredTexts, teacher: npt.NDArray[np.float32] | None) -> None:
        self.rows, self.texts, self.teacher = rows, texts, teacher
        if teacher is not None and teacher.shape != rows.passages.shape:
            raise ScoreError(
                "teacher scores",
                got=f"shape {teacher.shape}",
                expected=f"one per passage of each triple, {rows.passages.shape}",
                remedy="build them again: dvc repro",
            )

    def __len__(self) -> int:
        return len(self.rows.queries)

    def __getitem__(self, number: int) -> int:
        return number


@dataclass(frozen=True)
class Collator:
    """Lays out a batch of triples: each distinct text once, texts of like length together.

    Together are at most `tokens`, padding included. Where `every` query meets every passage, pairs are all of the
    first query's, then the second's; else those of the triples. A ranker that `reads_pairs` gets them, too, by length.
    """

    triples: TripleDataset
    tokens: int
    every: bool = False
    reads_pairs: bool = False

    def __call__(self, numbers: Sequence[int]) -> dict[str, Any]:
        """`queries`, `passages` and `pairs`, which Ranker.forward wants; `order` (pairs,): where the score of each
        pair stands among those that it gives.

        query_of (batch,) and passage_of (batch, 1 + n): which of the distinct texts the triples have. teacher (batch,
        1 + n), where there is one. numbers: of the triples, as a list. tokens and padding: how many are encoded.
        """
        chosen, texts = np.asarray(numbers), self.triples.texts
        queries = _Side.of(texts.queries, self.triples.rows.queries[chosen], self.tokens)
        passages = _Side.of(texts.passages, self.triples.rows.passages[chosen], self.tokens)
        pairs, order = self._pairs(queries, passages)
        tokens, padding = self._encoded(queries, passages, pairs)
        batch = {
            "queries": queries.batches(texts.pad),
            "passages": passages.batches(texts.pad),
            "pairs": pairs,
            "order": torch.from_numpy(order),
            "query_of": torch.from_numpy(queries.places),
            "passage_of": torch.from_numpy(passages.places),
            "numbers": chosen.tolist(),
            "tokens": tokens,
            "padding": padding,
        }
        if self.triples.teacher is not None:
            batch["teacher"] = torch.from_numpy(self.triples.teacher[chosen])
        return batch

    def _pairs(self, queries: "_Side", passages: "_Side") -> tuple[list[dict[str, Tensor]], Rows]:
        """The pairs in batches, and where each stands among them."""
        if self.every:
            of_query = np.repeat(np.arange(len(queries.rows)), len(passages.rows))
            of_passage = np.tile(np.arange(len(passages.rows)), len(queries.rows))
        else:
            of_query = np.repeat(queries.places, passages.places.shape[1])
            of_passage = passages.places.ravel()
        if not self.reads_pairs:
            batches = [np.arange(len(of_query))]
        else:
            lengths = queries.lengths[of_query] + passages.lengths[of_passage] + SPECIAL_TOKENS
            batches = [*batches_by_length(lengths, self.tokens)]
        pairs = [
            {"queries": torch.from_numpy(of_query[some]), "passages": torch.from_numpy(of_passage[some])}
            for some in batches
        ]
        return pairs, np.argsort(np.concatenate(batches))

    def _encoded(self, queries: "_Side", passages: "_Side", pairs: list[dict[str, Tensor]]) -> tuple[int, int]:
        """The tokens that are encoded, special ones included, and the padding beside them: of pairs, where these are
        read, else of texts."""
        if self.reads_pairs:
            groups = [
                queries.lengths[some["queries"].numpy()] + passages.lengths[some["passages"].numpy()] + SPECIAL_TOKENS
                for some in pairs
            ]
        else:
            groups = [side.lengths[group] + SPECIAL_TOKENS - 1 for side in (queries, passages) for group in side.groups]
        tokens = sum(int(lengths.sum()) for lengths in groups)
        return tokens, sum(len(lengths) * int(lengths.max()) for lengths in groups) - tokens


@dataclass(frozen=True)
class _Side:
    """The distinct texts of a batch's queries or passages: the shortest first, in batches of like length."""

    store: RaggedIds
    rows: Rows  # (texts,)
    lengths: npt.NDArray[np.int64]  # (texts,)
    places: Rows  # which of the texts stands where in the triples
    groups: list[Rows]

    @classmethod
    def of(cls, store: RaggedIds, rows: Rows, tokens: int) -> "_Side":
        distinct, places = np.unique(rows, return_inverse=True)
        lengths = store.lengths(distinct)
        groups = [*batches_by_length(lengths + SPECIAL_TOKENS - 1, tokens)]
        order = np.concatenate(groups)
        ends = np.cumsum([len(group) for group in groups])
        groups = np.split(np.arange(len(order)), ends[:-1])
        return cls(store, distinct[order], lengths[order], np.argsort(order)[places.reshape(rows.shape)], groups)

    def batches(self, pad: int) -> list[dict[str, Tensor]]:
        return [stored_batch(self.store, self.rows[group], pad)._asdict() for group in self.groups]

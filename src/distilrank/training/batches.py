"""Batches of triples from stored tokens. No tokenizer runs here, nothing is computed twice, and padding is kept low."""

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
from distilrank.training.positives import Positives
from distilrank.training.processes import ALONE, Processes

# The pairs that meet at once may have this many times the tokens that are read at once, since meeting costs little.
_MEETINGS = 64


class TripleDataset(Dataset[int]):
    """Triples by number. `rows` say which of the `texts` are theirs, the positive before its n negatives.

    `teacher` (triples, 1 + n) has its scores in this order. `positives` are the known relevant passages; None: those of
    the triples. Raises ScoreError for scores of another shape.
    """

    def __init__(
        self,
        rows: TripleRows,
        texts: StoredTexts,
        teacher: npt.NDArray[np.float32] | None,
        positives: Positives | None = None,
    ) -> None:
        self.rows, self.texts, self.teacher = rows, texts, teacher
        self.positives = positives or Positives.of(rows.queries, rows.passages[:, 0])
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
    """Lays out a batch of triples. Each distinct text comes once, and texts of similar length are batched together.

    Such a batch has at most `tokens`, padding included. If `every` query meets every passage, the pairs come query by
    query, else triple by triple. For a ranker that `reads_pairs`, pairs are sorted by length as well. With several
    processes, each lays out its share: triples with about as many tokens as another's. `taught_by` lays out the same
    triples for a teacher that scores the batch.
    """

    triples: TripleDataset
    tokens: int
    every: bool = False
    reads_pairs: bool = False
    among: Processes = ALONE
    taught_by: "Collator | None" = None

    def __call__(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Gives `queries`, `passages` and `pairs` of this process's share, for a Step, and `order` (pairs,), the place
        of each pair's score among the scores that they give.

        mine (share,): which triples of the batch are this process's. query_of (share,), and passage_of (share, 1 + n),
        or (batch, 1 + n) where every query meets every passage: the numbers of the distinct texts that make up the
        triples. among, only where every query meets every passage: the place where this process's passages begin among
        those of all processes, and their total number.

        For the whole batch: known (batch, 1 + n) or (batch, batch * (1 + n)) marks the passages, of those that a query
        meets, that are its positives; teacher (batch, 1 + n), if there is one; numbers, a list of the triples' numbers.
        tokens and padding: how many of each this process encodes. in_batch: the layout of the same triples by
        `taught_by`.
        """
        chosen, texts, rows = np.asarray(numbers), self.triples.texts, self.triples.rows
        shares = self._shares(chosen)
        mine = shares[self.among.rank]
        queries = _Side.of(texts.queries, rows.queries[chosen[mine]], self.tokens)
        met = shares if self.every else [mine]
        sides = [_Side.of(texts.passages, rows.passages[chosen[share]], self.tokens) for share in met]
        own = self.among.rank if self.every else 0
        starts = np.cumsum([0, *(len(side.rows) for side in sides)])
        places = np.concatenate([side.places + start for side, start in zip(sides, starts, strict=False)])
        passage_of = places[np.argsort(np.concatenate(met))]
        lengths = np.concatenate([side.lengths for side in sides])
        pairs, order = self._pairs(queries, passage_of, lengths)
        tokens, padding = self._encoded(queries, sides[own], lengths, pairs)
        batch = {
            "queries": queries.batches(texts.pad),
            "passages": sides[own].batches(texts.pad),
            "pairs": pairs,
            "order": torch.from_numpy(order),
            "mine": torch.from_numpy(mine),
            "query_of": torch.from_numpy(queries.places),
            "passage_of": torch.from_numpy(passage_of),
            "known": torch.from_numpy(self._known(chosen)),
            "numbers": chosen.tolist(),
            "every": self.every,
            "tokens": tokens,
            "padding": padding,
        }
        if len(sides) > 1:
            batch["among"] = (int(starts[own]), int(starts[-1]))
        if self.triples.teacher is not None:
            batch["teacher"] = torch.from_numpy(self.triples.teacher[chosen])
        if self.taught_by:
            batch["in_batch"] = self.taught_by(numbers)
        return batch

    def _known(self, chosen: Rows) -> npt.NDArray[np.bool_]:
        queries, passages = (rows[chosen] for rows in self.triples.rows)
        return self.triples.positives.among(queries, passages.ravel() if self.every else passages)

    def _shares(self, chosen: Rows) -> list[Rows]:
        """The places in the batch of each process's triples, ascending. The longest triples are dealt out first."""
        if self.among.count == 1:
            return [np.arange(len(chosen))]
        rows, texts = self.triples.rows, self.triples.texts
        lengths = texts.passages.lengths(rows.passages[chosen].ravel()).reshape(len(chosen), -1).sum(1)
        dealt = np.argsort(-lengths - texts.queries.lengths(rows.queries[chosen]), kind="stable")
        return [np.sort(dealt[rank :: self.among.count]) for rank in range(self.among.count)]

    def _pairs(
        self, queries: "_Side", passage_of: Rows, lengths: npt.NDArray[np.int64]
    ) -> tuple[list[dict[str, Tensor]], Rows]:
        """The pairs in pieces, and the place of each pair among them. `lengths` are those of all passages that are met.

        In a piece without passages, some queries meet every passage.
        """
        if self.every and not self.reads_pairs:
            tokens = len(lengths) * (queries.lengths + SPECIAL_TOKENS) + lengths.sum()
            piece = np.cumsum(tokens) // (_MEETINGS * self.tokens)
            some = np.split(np.arange(len(tokens)), np.flatnonzero(np.diff(piece)) + 1)
            return [{"queries": torch.from_numpy(one)} for one in some], np.arange(len(tokens) * len(lengths))
        if self.every:
            of_query = np.repeat(np.arange(len(queries.rows)), len(lengths))
            of_passage = np.tile(np.arange(len(lengths)), len(queries.rows))
        else:
            of_query = np.repeat(queries.places, passage_of.shape[1])
            of_passage = passage_of.ravel()
        tokens = queries.lengths[of_query] + lengths[of_passage] + SPECIAL_TOKENS
        batches = [*batches_by_length(tokens, self.tokens)] if self.reads_pairs else [np.arange(len(tokens))]
        pairs = [
            {"queries": torch.from_numpy(of_query[some]), "passages": torch.from_numpy(of_passage[some])}
            for some in batches
        ]
        return pairs, np.argsort(np.concatenate(batches))

    def _encoded(
        self, queries: "_Side", passages: "_Side", lengths: npt.NDArray[np.int64], pairs: list[dict[str, Tensor]]
    ) -> tuple[int, int]:
        """The tokens that are encoded, special ones included, and the padding beside them. They are counted over pairs
        if the ranker reads pairs, else over texts."""
        if self.reads_pairs:
            groups = [
                queries.lengths[some["queries"].numpy()] + lengths[some["passages"].numpy()] + SPECIAL_TOKENS
                for some in pairs
            ]
        else:
            groups = [side.lengths[group] + SPECIAL_TOKENS - 1 for side in (queries, passages) for group in side.groups]
        tokens = sum(int(group.sum()) for group in groups)
        return tokens, sum(len(group) * int(group.max()) for group in groups) - tokens


@dataclass(frozen=True)
class _Side:
    """The distinct texts of a batch's queries or passages, shortest first, in batches of similar length."""

    store: RaggedIds
    rows: Rows  # (texts,)
    lengths: npt.NDArray[np.int64]  # (texts,)
    places: Rows  # which text is at each place of the triples
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

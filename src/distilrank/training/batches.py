"""Batches of triples, from stored tokens: no tokenizer runs here."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.utils.data import Dataset

from distilrank.data.tokens import Rows, TokenStore
from distilrank.errors import MissingInput, ScoreError
from distilrank.rankers.inputs import stored_batch
from distilrank.scoring.scores import Scores


class TripleDataset(Dataset[int]):
    """Triples by number, and how a batch of them is laid out: for each query its positive, then its n negatives.

    `triples` are query_id, positive_id and negative_ids, n in each row; `teacher` (triples, 1 + n) its scores of them
    in this order. Raises MissingInput for rows that differ in n or have an id that is not stored, ScoreError for scores
    of another shape.
    """

    def __init__(self, triples: pl.DataFrame, tokens: TokenStore, teacher: Scores | None) -> None:
        self._tokens, self._teacher = tokens, teacher
        self._query_rows = tokens.query_rows(triples["query_id"])
        self._passage_rows = _passage_rows(triples, tokens)
        if teacher is not None and teacher.shape != self._passage_rows.shape:
            raise ScoreError(
                "teacher scores",
                got=f"shape {teacher.shape}",
                expected=f"one a passage of each triple, {self._passage_rows.shape}",
                remedy="build them again: dvc repro",
            )

    def __len__(self) -> int:
        return len(self._query_rows)

    def __getitem__(self, number: int) -> int:
        return number

    def collate(self, numbers: Sequence[int]) -> dict[str, Tensor]:
        """query_* (batch, length), passage_* ((1 + n) batch, length), and teacher (batch, 1 + n) where there is one.

        query_rows (batch,) and passage_rows (batch, 1 + n) tell which of them are the same.
        """
        chosen = np.asarray(numbers)
        query_rows, passage_rows = self._query_rows[chosen], self._passage_rows[chosen]
        pad = self._tokens.special_tokens.pad
        queries = stored_batch(self._tokens.queries, query_rows, pad)
        passages = stored_batch(self._tokens.passages, passage_rows.ravel(), pad)
        batch = {
            "query_ids": queries.ids,
            "query_mask": queries.mask,
            "query_rows": torch.from_numpy(query_rows),
            "passage_ids": passages.ids,
            "passage_mask": passages.mask,
            "passage_rows": torch.from_numpy(passage_rows),
        }
        if self._teacher is not None:
            batch["teacher"] = torch.from_numpy(self._teacher[chosen])
        return batch


def _passage_rows(triples: pl.DataFrame, tokens: TokenStore) -> Rows:
    """Rows (triples, 1 + n) of the token store."""
    numbers = triples["negative_ids"].list.len().unique().sort().to_list()
    if len(numbers) != 1 or not numbers[0]:
        raise MissingInput(
            "triples",
            got=f"rows of {' and '.join(map(str, numbers)) or 'no'} negatives",
            expected="the same number in each row, at least 1",
            remedy="build them again: dvc repro",
        )
    positives = tokens.passage_rows(triples["positive_id"])
    negatives = tokens.passage_rows(triples["negative_ids"].explode())
    return np.column_stack([positives, negatives.reshape(-1, numbers[0])])

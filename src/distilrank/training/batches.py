"""Batches of triples, from stored tokens: no tokenizer runs here."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.utils.data import Dataset

from distilrank.data.tokens import TokenStore
from distilrank.rankers.inputs import stored_batch
from distilrank.scoring.pairs import Scores


class TripleDataset(Dataset[int]):
    """Triples by number, and how a batch of them is laid out: for each query its positive, then its negative."""

    def __init__(self, triples: pl.DataFrame, tokens: TokenStore, teacher: Scores | None) -> None:
        self._tokens, self._teacher = tokens, teacher
        self._query_rows = tokens.query_rows(triples["query_id"])
        sides = [tokens.passage_rows(triples[side]) for side in ("positive_id", "negative_id")]
        self._passage_rows = np.stack(sides, 1)

    def __len__(self) -> int:
        return len(self._query_rows)

    def __getitem__(self, number: int) -> int:
        return number

    def collate(self, numbers: Sequence[int]) -> dict[str, Tensor]:
        """query_* (batch, length), passage_* (2 batch, length), and teacher (batch, 2) where there is one."""
        chosen = np.asarray(numbers)
        pad = self._tokens.special_tokens.pad
        queries = stored_batch(self._tokens.queries, self._query_rows[chosen], pad)
        passages = stored_batch(self._tokens.passages, self._passage_rows[chosen].ravel(), pad)
        batch = {
            "query_ids": queries.ids,
            "query_mask": queries.mask,
            "passage_ids": passages.ids,
            "passage_mask": passages.mask,
        }
        if self._teacher is not None:
            batch["teacher"] = torch.from_numpy(self._teacher[chosen])
        return batch

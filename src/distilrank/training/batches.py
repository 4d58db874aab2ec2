"""Batches of triples, from stored tokens: no tokenizer runs here."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from distilrank.data.ragged import StoredTexts, TripleRows
from distilrank.errors import ScoreError
from distilrank.rankers.inputs import stored_batch


class TripleDataset(Dataset[int]):
    """Triples by number, and how a batch of them is laid out: for each query its positive, then its n negatives.

    `rows` say which of the `texts` they are; `teacher` (triples, 1 + n) has its scores of them in
    this order. Raises ScoreError for scores of another shape.
    """

    def __init__(self, rows: TripleRows, texts: StoredTexts, teacher: npt.NDArray[np.float32] | None) -> None:
        self._rows, self._texts, self._teacher = rows, texts, teacher
        if teacher is not None and teacher.shape != rows.passages.shape:
            raise ScoreError(
                "teacher scores",
                got=f"shape {teacher.shape}",
                expected=f"one per passage of each triple, {rows.passages.shape}",
                remedy="build them again: dvc repro",
            )

    def __len__(self) -> int:
        return len(self._rows.queries)

    def __getitem__(self, number: int) -> int:
        return number

    def collate(self, numbers: Sequence[int]) -> dict[str, Tensor]:
        """query_* (batch, length), passage_* ((1 + n) batch, length), and teacher (batch, 1 + n) where there is one.

        query_rows (batch,) and passage_rows (batch, 1 + n) tell which of them are the same.
        """
        chosen = np.asarray(numbers)
        query_rows, passage_rows = self._rows.queries[chosen], self._rows.passages[chosen]
        queries = stored_batch(self._texts.queries, query_rows, self._texts.pad)
        passages = stored_batch(self._texts.passages, passage_rows.ravel(), self._texts.pad)
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

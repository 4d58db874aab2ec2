"""The figures of a training, against what a small batch gives by hand."""

import numpy as np
import pytest
import torch

from distilrank.data.ragged import RaggedIds, StoredTexts, TripleRows
from distilrank.training.batches import Collator, TripleDataset
from distilrank.training.figures import Figures


def texts_of(*lengths: int) -> RaggedIds:
    offsets = np.cumsum([0, *lengths])
    return RaggedIds(np.arange(offsets[-1], dtype=np.uint32), offsets)


# Queries of 2 and 4 tokens; passages of 3, 5 and 8, of which both triples have the first as their positive.
DATASET = TripleDataset(
    TripleRows(np.array([0, 1]), np.array([[0, 1], [0, 2]])),
    StoredTexts(texts_of(2, 4), texts_of(3, 5, 8), pad=0),
    np.array([[9, 4], [7, 5]], np.float32),
)


@pytest.mark.parametrize(
    ("reads_pairs", "together", "tokens", "padding"),
    [
        # With two special tokens each: queries 4 + 6, passages 5 + 7 + 10. Together they are filled up to 6 and to 10.
        (False, 1000, 32, 2 + 5 + 3),
        (False, 1, 32, 0),
        # Pairs with three: 2 + 3, 2 + 5, 4 + 3 and 4 + 8 tokens. Together they are filled up to 15.
        (True, 1000, 8 + 10 + 10 + 15, 7 + 5 + 5),
        (True, 1, 43, 0),
    ],
)
def test_padding_is_what_fills_up_the_texts_or_pairs_that_are_read_together(
    reads_pairs: bool, together: int, tokens: int, padding: int
) -> None:
    batch = Collator(DATASET, together, reads_pairs=reads_pairs)([0, 1])
    assert (batch["tokens"], batch["padding"]) == (tokens, padding)


def test_figures_are_means_over_the_batches_since_the_last() -> None:
    figures, collator = Figures(), Collator(DATASET, 1000)
    figures.add(collator([0, 1]), torch.tensor([[3.0, 1.0], [2.0, 6.0]]))
    figures.add(collator([0]), torch.tensor([[10.0, 2.0]]))
    first = figures.take()
    assert first["margin/student"] == pytest.approx((2 - 4 + 8) / 3)
    assert first["margin/teacher"] == pytest.approx((5 + 2 + 5) / 3)
    # Of the second batch: a query of 4 tokens with its ends, passages of 5 and 7.
    assert first["padding"] == pytest.approx((10 + 2) / (32 + 10 + 16 + 2))
    figures.add(collator([1]), torch.tensor([[1.0, 2.0]]))
    second = figures.take()
    assert (second["margin/student"], second["margin/teacher"]) == (-1, 2)

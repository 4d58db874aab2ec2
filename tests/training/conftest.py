"""A small world to train in: a store of random tokens, and triples of them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from distilrank.data.ragged import RaggedIds
from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import TokenStore

QUERIES, PASSAGES = 4, 9


def random_ids(texts: int, longest: int, seed: int) -> RaggedIds:
    random = np.random.default_rng(seed)
    offsets = np.cumsum([0, *random.integers(2, longest + 1, texts)])
    return RaggedIds(random.integers(1000, 2000, offsets[-1]).astype(np.uint16), offsets)


@pytest.fixture(scope="session")
def tokenizer(backbone: Path) -> TextTokenizer:
    return TextTokenizer(backbone)


@pytest.fixture(scope="session")
def tokens(tokenizer: TextTokenizer) -> TokenStore:
    return TokenStore(
        random_ids(QUERIES, 5, seed=1),
        random_ids(PASSAGES, 12, seed=2),
        pl.Series([f"q{number}" for number in range(QUERIES)]),
        pl.Series([f"p{number}" for number in range(PASSAGES)]),
        tokenizer.special_tokens,
    )


@pytest.fixture(scope="session")
def triples() -> pl.DataFrame:
    """Two negatives a row; p0 is a positive of q0 and q1, p1 a positive of q0 and a negative of q1."""
    return pl.DataFrame(
        {
            "query_id": ["q0", "q1", "q0", "q2", "q3", "q2"],
            "positive_id": ["p0", "p0", "p1", "p4", "p6", "p4"],
            "negative_ids": [["p2", "p3"], ["p1", "p5"], ["p2", "p7"], ["p8", "p0"], ["p4", "p2"], ["p3", "p1"]],
        }
    )

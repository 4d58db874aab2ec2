"""A small world to train in: a store of random tokens, and triples of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from transformers import BertConfig, BertModel

from distilrank.data.ragged import RaggedIds
from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import TokenStore
from distilrank.rankers.base import Ranker
from distilrank.rankers.loading import begin_ranker
from distilrank.rankers.params import RankerParams
from distilrank.sections.data import Tokens

Begin = Callable[[RankerParams], Ranker]
QUERIES, PASSAGES = 4, 9


def random_ids(texts: int, longest: int, seed: int) -> RaggedIds:
    random = np.random.default_rng(seed)
    offsets = np.cumsum([0, *random.integers(2, longest + 1, texts)])
    return RaggedIds(random.integers(1000, 2000, offsets[-1]).astype(np.uint16), offsets)


def token_store(tokenizer: TextTokenizer) -> TokenStore:
    return TokenStore(
        random_ids(QUERIES, 5, seed=1),
        random_ids(PASSAGES, 12, seed=2),
        pl.Series([f"q{number}" for number in range(QUERIES)]),
        pl.Series([f"p{number}" for number in range(PASSAGES)]),
        tokenizer.special_tokens,
    )


def some_triples() -> pl.DataFrame:
    """Two negatives a row; p0 is a positive of q0 and q1, p1 a positive of q0 and a negative of q1."""
    return pl.DataFrame(
        {
            "query_id": ["q0", "q1", "q0", "q2", "q3", "q2"],
            "positive_id": ["p0", "p0", "p1", "p4", "p6", "p4"],
            "negative_ids": [["p2", "p3"], ["p1", "p5"], ["p2", "p7"], ["p8", "p0"], ["p4", "p2"], ["p3", "p1"]],
        }
    )


def beginning_with(tokenizer: TextTokenizer) -> Begin:
    """Begins a ranker of width 16 without dropout; always the same."""

    def ranker(params: RankerParams) -> Ranker:
        torch.manual_seed(3)
        config = BertConfig(
            vocab_size=tokenizer.vocabulary_size, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=16, max_position_embeddings=32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )  # fmt: skip
        begun = begin_ranker(params, BertModel(config), Tokens(query_length=5, passage_length=12), tokenizer)
        if params.architecture == "tk":
            # Behind TK's head of zeros nothing would have a gradient at the first step.
            torch.nn.init.normal_(begun.get_submodule("head").get_parameter("weight"), std=0.02)
        return begun

    return ranker


@pytest.fixture(scope="session")
def tokenizer(backbone: Path) -> TextTokenizer:
    return TextTokenizer(backbone)


@pytest.fixture(scope="session")
def tokens(tokenizer: TextTokenizer) -> TokenStore:
    return token_store(tokenizer)


@pytest.fixture(scope="session")
def triples() -> pl.DataFrame:
    return some_triples()


@pytest.fixture
def begin(tokenizer: TextTokenizer) -> Begin:
    return beginning_with(tokenizer)

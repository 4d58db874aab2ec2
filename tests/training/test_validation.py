"""Validation on dev queries, by figures worked out pair by pair."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.training.conftest import PASSAGES, QUERIES, Begin

from distilrank.data.collection import Collection
from distilrank.data.tokens import TokenStore
from distilrank.rankers.base import Ranker, TokenBatch
from distilrank.rankers.colbert.params import ColbertParams
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.params import RankerParams
from distilrank.rankers.tk.params import TkParams
from distilrank.sections.training import Validation
from distilrank.training.validation import DevValidation

DOT = DotParams(architecture="dot", layers=1, pooling="mean", dimension=4)
TK = TkParams(architecture="tk", layers=1)
COLBERT = ColbertParams(architecture="colbert", layers=1, dimension=4)
# Query i has passage 2i; its candidates are the three passages after that one.
RELEVANT = {query: 2 * query for query in range(QUERIES)}
CANDIDATES = {query: [(2 * query + place) % PASSAGES for place in (1, 2, 3)] for query in range(QUERIES)}
Validating = Callable[[Validation], DevValidation]


def validating_with(tokens: TokenStore) -> Validating:
    """All queries are dev queries."""
    qrels = [(f"q{query}", f"p{passage}", 1, "dev") for query, passage in RELEVANT.items()]
    queries = pl.DataFrame({"query_id": tokens.query_ids, "text": "", "split": "dev"})
    columns = ["query_id", "passage_id", "relevance", "split"]
    collection = Collection(Path("none"), queries, pl.DataFrame(qrels, schema=columns, orient="row"))
    rows = [(f"q{query}", f"p{one}", rank) for query, ones in CANDIDATES.items() for rank, one in enumerate(ones, 1)]
    candidates = pl.DataFrame(rows, schema=["query_id", "passage_id", "rank"], orient="row")
    return lambda params: DevValidation(collection, candidates, tokens, params)


@pytest.fixture
def validating(tokens: TokenStore) -> Validating:
    return validating_with(tokens)


def ndcg(ranker: Ranker, tokens: TokenStore, passages: dict[int, list[int]]) -> float:
    """The mean of 1 / log2(1 + rank) of each query's one relevant passage among the passages; 0 where it is absent."""
    values = []
    for query, relevant in RELEVANT.items():
        scores = {passage: score_of_pair(ranker, tokens, query, passage) for passage in passages[query]}
        order = sorted(scores, key=lambda passage: -scores[passage])
        values.append(1 / np.log2(2 + order.index(relevant)) if relevant in order[:10] else 0.0)
    return float(np.mean(values))


@torch.inference_mode()
def score_of_pair(ranker: Ranker, tokens: TokenStore, query: int, passage: int) -> float:
    texts = (tokens.queries[query], tokens.passages[passage])
    pair = [torch.from_numpy(ids.astype(np.int64)).unsqueeze(0) for ids in texts]
    return float(ranker.score(*(TokenBatch(ids, torch.ones_like(ids, dtype=torch.bool)) for ids in pair)).item())


def test_a_dense_ranker_searches_as_well(validating: Validating, begin: Begin, tokens: TokenStore) -> None:
    ranker = begin(DOT).eval()
    everything = {query: list(range(PASSAGES)) for query in RELEVANT}
    figures = validating(Validation(passages=PASSAGES))(ranker)
    assert figures == {"rerank": 0.0, "retrieve": pytest.approx(ndcg(ranker, tokens, everything))}
    assert 0 < figures["retrieve"] < 1


def test_the_relevant_passages_are_always_there_to_be_found(validating: Validating, begin: Begin) -> None:
    """Of at most five passages each is among the best ten."""
    assert validating(Validation(passages=1))(begin(DOT).eval())["retrieve"] >= 1 / np.log2(1 + 5)


@pytest.mark.parametrize("params", [TK, COLBERT], ids=["tk", "colbert"])
def test_other_rankers_only_re_rank(params: RankerParams, validating: Validating, begin: Begin) -> None:
    assert validating(Validation(passages=PASSAGES))(begin(params).eval()).keys() == {"rerank"}


def test_search_can_be_left_out(validating: Validating, begin: Begin) -> None:
    assert validating(Validation(passages=None))(begin(DOT).eval()).keys() == {"rerank"}

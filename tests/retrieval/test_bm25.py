"""BM25 against its formula, worked out here."""

import math

import polars as pl
import pytest

from distilrank.errors import CollectionError
from distilrank.retrieval.bm25 import BM25
from distilrank.sections import Candidates

TEXTS = ["red apple pie", "green apple", "blue sky blue water", "red red wine"]
PARAMS = Candidates(depth=4, train_depth=4, k1=0.9, b=0.4)


def score(query: str, text: str) -> float:
    """Robertson's formula with Lucene's idf; every word of these texts is a term."""
    documents = [line.split() for line in TEXTS]
    mean_length = sum(map(len, documents)) / len(documents)
    words, total = text.split(), 0.0
    for term in query.split():
        holding = sum(term in document for document in documents)
        idf = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        frequency = words.count(term)
        norm = PARAMS.k1 * (1 - PARAMS.b + PARAMS.b * len(words) / mean_length)
        total += idf * frequency / (frequency + norm)
    return total


def test_scores_follow_the_formula() -> None:
    bm25 = BM25(pl.Series(["a", "b", "c", "d"]), TEXTS, PARAMS)
    found = {row[1]: row[2] for row in bm25.search(["q"], ["red apple"], 4).iter_rows()}
    assert set(found) == {"a", "b", "d"}
    for passage_id, value in found.items():
        assert value == pytest.approx(score("red apple", TEXTS["abcd".index(passage_id)]), rel=1e-5)


def test_a_query_that_shares_no_term_finds_nothing() -> None:
    bm25 = BM25(pl.Series(["a", "b", "c", "d"]), TEXTS, PARAMS)
    found = bm25.search(["q", "r", "s"], ["unheard of", "wine", "of the"], 4)
    assert found["query_id"].to_list() == ["r"]


def test_ties_at_the_cut_go_by_passage_id_descending() -> None:
    bm25 = BM25(pl.Series(["a", "b", "c"]), ["same words", "same words", "same words"], PARAMS)
    assert bm25.search(["q"], ["same"], 2)["passage_id"].to_list() == ["c", "b"]


def test_passages_without_a_term_are_refused() -> None:
    with pytest.raises(CollectionError, match="no term in any text"):
        BM25(pl.Series(["a", "b"]), ["of the", "x"], PARAMS)

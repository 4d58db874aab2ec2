"""Dense retrieval against plain matrix products."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import TokenStore
from distilrank.errors import InputError, ScoreError
from distilrank.rankers.base import Ranker
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.loading import begin_ranker, pretrained
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.reranking import rerank_stored
from distilrank.retrieval.vectors import encode_vectors
from distilrank.scoring.pairs import rerank

IDS = pl.Series([f"p{number:03}" for number in range(200)])


def random_vectors(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, 16)).astype(np.float32)


def test_search_finds_the_highest_inner_products(tmp_path: Path) -> None:
    passages, queries = random_vectors(200, 1), random_vectors(5, 2)
    DenseIndex.build(passages, IDS).write(tmp_path)
    run = DenseIndex.read(tmp_path).search(pl.Series([f"q{number}" for number in range(5)]), queries, 10)
    products = queries @ passages.T
    for number in range(5):
        best = np.argsort(-products[number])[:10]
        found = run.filter(pl.col("query_id") == f"q{number}")
        assert found["passage_id"].to_list() == [IDS[int(row)] for row in best]
        np.testing.assert_allclose(found["score"].to_numpy(), products[number][best], rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_refused(value: float) -> None:
    """Faiss would leave such a passage out, and answer such a query with the last passage."""
    passages, queries = random_vectors(200, 1), random_vectors(3, 2)
    index = DenseIndex.build(passages, IDS)
    queries[1, 5] = passages[7, 2] = value
    with pytest.raises(ScoreError, match="the vector of passage 'p007': got numbers that are not finite"):
        DenseIndex.build(passages, IDS)
    with pytest.raises(ScoreError, match="the vector of query 'q1': got numbers that are not finite"):
        index.search(pl.Series(["q0", "q1", "q2"]), queries, 10)


def test_stored_vectors_come_back_by_passage_id() -> None:
    passages = random_vectors(200, 1)
    np.testing.assert_array_equal(
        DenseIndex.build(passages, IDS).vectors(pl.Series(["p007", "p000", "p199"])), passages[[7, 0, 199]]
    )


@pytest.fixture(params=[{}, {"normalise": True, "scale": 20.0, "learn_scale": True}], ids=["products", "cosines"])
def dot(request: pytest.FixtureRequest, project: Path, backbone: Path, tiny_params: Params) -> Ranker:
    params = DotParams.model_validate({"architecture": "dot", "layers": 1, "pooling": "mean", **request.param})
    return begin_ranker(params, pretrained(backbone), tiny_params.tokens, TextTokenizer(layout.TOKENS)).eval()


def test_reranking_from_the_index_equals_scoring_the_pairs(dot: Ranker) -> None:
    tokens = TokenStore.open(layout.TOKENS)
    pad = tokens.special_tokens.pad
    passages = encode_vectors(dot.encode_passages, tokens.passages, np.arange(len(tokens.passages)), pad, dot.device)
    queries = encode_vectors(dot.encode_queries, tokens.queries, np.arange(len(tokens.queries)), pad, dot.device)
    candidates = pl.read_parquet(layout.CANDIDATES / "candidates.parquet").sample(300, seed=0)
    index = DenseIndex.build(passages, tokens.passage_ids)
    stored = rerank_stored(dot, tokens.query_ids, queries, index, candidates)
    pairs = rerank(dot, tokens, candidates)
    assert stored.drop("score").equals(pairs.drop("score"))
    np.testing.assert_allclose(stored["score"].to_numpy(), pairs["score"].to_numpy(), atol=1e-4)


def test_a_ranker_without_one_vector_a_passage_cannot_be_indexed(
    project: Path, backbone: Path, tiny_params: Params
) -> None:
    tokens = TokenStore.open(layout.TOKENS)
    params = CatParams(architecture="cat", layers=1)
    cat = begin_ranker(params, pretrained(backbone), tiny_params.tokens, TextTokenizer(layout.TOKENS))
    with pytest.raises(InputError, match="index a dense ranker"):
        encode_vectors(cat.encode_passages, tokens.passages, np.arange(3), 0, torch.device("cpu"))

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
from distilrank.retrieval.kinds import Hnsw
from distilrank.retrieval.reranking import rerank_stored
from distilrank.retrieval.vector_store import VectorStore
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
    store = VectorStore.of(passages, tokens.passage_ids)
    stored = rerank_stored(dot, tokens.query_ids, queries, store, candidates)
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


def test_an_approximate_index_finds_most_of_the_best_and_gives_their_exact_scores(tmp_path: Path) -> None:
    passages, queries = random_vectors(2_000, 1), random_vectors(50, 2)
    ids, query_ids = pl.Series([f"p{number:04}" for number in range(2_000)]), pl.Series([f"q{n}" for n in range(50)])
    DenseIndex.build(passages, ids, Hnsw(links=16)).write(tmp_path)
    index = DenseIndex.read(tmp_path)
    run = index.search(query_ids, queries, 10)
    exact = DenseIndex.build(passages, ids).search(query_ids, queries, 10)
    assert len(run.join(exact, on=["query_id", "passage_id"])) >= 0.95 * len(exact)
    products = dict(zip(ids, queries[7] @ passages.T, strict=True))
    found = run.filter(pl.col("query_id") == "q7")
    np.testing.assert_allclose(
        found["score"].to_numpy(), [products[passage] for passage in found["passage_id"]], rtol=1e-5
    )
    np.testing.assert_array_equal(index.vectors(pl.Series(["p0007"])), passages[[7]])


def test_an_approximate_index_is_the_same_each_time_it_is_built(tmp_path: Path) -> None:
    passages = random_vectors(2_000, 1)
    ids = pl.Series([f"p{number:04}" for number in range(2_000)])
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        DenseIndex.build(passages, ids, Hnsw()).write(tmp_path / name)
    files = [sorted((tmp_path / name).iterdir()) for name in ("one", "other")]
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]


def test_an_approximate_index_that_finds_fewer_gives_those(tmp_path: Path) -> None:
    """All that a graph of so few vectors does not reach is left out, not made up."""
    passages, queries = random_vectors(5, 1), random_vectors(2, 2)
    ids = IDS[:5]
    run = DenseIndex.build(passages, ids, Hnsw(links=2)).search(pl.Series(["a", "b"]), queries, 10)
    assert set(run["passage_id"]) <= set(ids)
    assert not run.select("query_id", "passage_id").is_duplicated().any()


def test_passages_that_tie_at_the_cut_are_drawn_from_all() -> None:
    """One vector for all but three passages, one of which is better and two of which are worse."""
    passages = np.tile(random_vectors(1, 1), (2000, 1))
    passages[[7, 1500, 900]] *= [[2], [0.5], [-1]]
    ids = pl.Series([f"p{number:04}" for number in range(2000)])
    run = DenseIndex.build(passages, ids).search(pl.Series(["q", "r"]), np.tile(random_vectors(1, 1), (2, 1)), 201)
    for (_,), found in run.group_by("query_id"):
        best, *others = found.sort("score", descending=True)["passage_id"].str.slice(1).cast(pl.Int64)
        assert best == 7
        assert len(set(others) - {7, 1500, 900}) == 200
        # Of 200 draws the mean has a standard error of 41.
        assert abs(np.mean(others) - 999.5) < 3 * 41

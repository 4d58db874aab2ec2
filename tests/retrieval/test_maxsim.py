"""Exact search by MaxSim against every query's product with every vector of every passage."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.rankers.examples import OPTIONS, saved_backbone, small_ranker

from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import Encoded, Ranker
from distilrank.retrieval.drawn import best
from distilrank.retrieval.encodings import Encodings
from distilrank.retrieval.forms import VectorsForm
from distilrank.retrieval.maxsim import search_all
from distilrank.retrieval.passage_store import PassageStore
from distilrank.retrieval.store_kinds import Int8

WIDTH = 16


@pytest.fixture(scope="module")
def colbert(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Ranker:
    folder = saved_backbone("bert", tmp_path_factory.mktemp("backbone"))
    return small_ranker(OPTIONS["colbert"], folder, TextTokenizer(backbone))


def encodings(lengths: list[int], seed: int) -> Encodings:
    random = np.random.default_rng(seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    values = random.standard_normal((*mask.shape, WIDTH)).astype(np.float32)
    return Encodings.of(Encoded(torch.from_numpy(values), mask), VectorsForm("float32"))


def store_of(encoded: Encodings) -> PassageStore:
    return PassageStore(encoded.stored, encoded.form, pl.Series([f"p{row:04}" for row in range(len(encoded))]))


def vectors(encoded: Encodings, row: int) -> np.ndarray:
    start, stop = encoded.stored.offsets[row : row + 2]
    return encoded.stored.arrays["values"][start:stop]


def maxsim(query: np.ndarray, passage: np.ndarray) -> float:
    return float((query @ passage.T).max(axis=1).sum())


@pytest.mark.parametrize("at_once", [7, 100, 1000])
def test_it_finds_the_highest_of_all(colbert: Ranker, at_once: int) -> None:
    random = np.random.default_rng(5)
    queries, passages = encodings([3, 1, 6, 4], 1), encodings(random.integers(1, 12, 300).tolist(), 2)
    store = store_of(passages)
    query_ids = pl.Series(["a", "b", "c", "d"])
    run = search_all(colbert, query_ids, queries, store, 20, at_once=at_once)
    assert len(run) == 4 * 20
    for row, query_id in enumerate(query_ids):
        scores = np.array([maxsim(vectors(queries, row), vectors(passages, passage)) for passage in range(300)])
        expected = np.argsort(-scores)[:20]
        found = run.filter(pl.col("query_id") == query_id)
        assert found["passage_id"].to_list() == [store.passage_ids[int(passage)] for passage in expected]
        np.testing.assert_allclose(found["score"].to_numpy(), scores[expected], rtol=1e-5)


def test_a_depth_beyond_all_gives_all(colbert: Ranker) -> None:
    run = search_all(colbert, pl.Series(["q"]), encodings([3], 1), store_of(encodings([2, 5], 2)), 10)
    assert sorted(run["passage_id"]) == ["p0000", "p0001"]


def test_ties_at_the_cut_are_drawn_from_all_passages(colbert: Ranker) -> None:
    """Passages of the same vectors, in several blocks."""
    one = encodings([5], 3)
    values = np.tile(one.stored.arrays["values"], (2000, 1))
    passages = Encodings.of(
        Encoded(torch.from_numpy(values.reshape(2000, 5, WIDTH)), torch.ones(2000, 5, dtype=torch.bool)), one.form
    )
    run = search_all(colbert, pl.Series(["q"]), encodings([4], 4), store_of(passages), 200, at_once=300)
    found = run["passage_id"].str.slice(1).cast(pl.Int64)
    # 200 draws from 0 to 1999: the mean is 999.5, with a standard error of 577 / sqrt(200) = 41.
    assert found.n_unique() == 200
    assert abs(found.mean() - 999.5) < 3 * 41
    assert run.equals(search_all(colbert, pl.Series(["q"]), encodings([4], 4), store_of(passages), 200, at_once=1000))


SCORES = st.lists(st.sampled_from([-3.5, -0.0, 0.0, 1.0, 1.0000001, 7e30, -1e-30]), min_size=1, max_size=40)


@given(SCORES, st.integers(1, 10), st.integers(1, 39))
def test_the_best_of_parts_are_the_best_of_all(scores: list[float], depth: int, cut: int) -> None:
    rows, values = np.arange(len(scores)), np.array(scores, np.float32)
    whole = best(rows, values, depth)
    first = best(rows[:cut], values[:cut], depth)
    merged = best(np.append(first[0], rows[cut:]), np.append(first[1], values[cut:]), depth)
    assert merged[0].tolist() == whole[0].tolist()
    assert whole[1].tolist() == sorted(values.tolist(), reverse=True)[:depth]


def test_a_copy_in_int8_finds_most_of_the_best(colbert: Ranker, tmp_path: Path) -> None:
    """And is what a store of int8 holds."""
    store = store_of(encodings(np.random.default_rng(5).integers(0, 12, 300).tolist(), 2))
    Int8().build(store, tmp_path, "it")
    expected = store.stored_as(VectorsForm("int8")).stored.arrays
    copy = PassageStore.open(tmp_path)
    assert all((copy.stored.arrays[name] == array).all() for name, array in expected.items())
    search, queries = Int8().search(copy, tmp_path, colbert), encodings([3, 1, 6, 4], 1)
    assert search
    query_ids = pl.Series(["a", "b", "c", "d"])
    exact = search_all(colbert, query_ids, queries, store, 20)
    both = exact.join(search(query_ids, queries, 20), on=["query_id", "passage_id"])
    assert len(both) >= 0.9 * len(exact)
    # A number is off by at most 1/254 of the largest, of vectors of some 4: products of 16 numbers by some hundredths.
    np.testing.assert_allclose(both["score_right"].to_numpy(), both["score"].to_numpy(), rtol=0.02)

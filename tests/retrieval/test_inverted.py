"""Learned sparse retrieval against plain products of whole vectors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distilrank.rankers.base import Encoded
from distilrank.retrieval.encodings import Encodings
from distilrank.retrieval.forms import TermsForm
from distilrank.retrieval.inverted import InvertedIndex
from distilrank.retrieval.passage_store import GrowingStore, PassageStore
from distilrank.retrieval.store_kinds import Inverted, Pruned

VOCABULARY = 60


def sparse(rows: int, seed: int, share: float = 0.15) -> np.ndarray:
    random = np.random.default_rng(seed)
    weights = random.exponential(1.0, (rows, VOCABULARY)) * (random.random((rows, VOCABULARY)) < share)
    return weights.astype(np.float16).astype(np.float32)


def encodings(vectors: np.ndarray) -> Encodings:
    values = torch.from_numpy(vectors).unsqueeze(1)
    return Encodings.of(
        Encoded(values, torch.ones(values.shape[:2], dtype=torch.bool)), TermsForm("float32", VOCABULARY)
    )


def store_of(vectors: np.ndarray) -> PassageStore:
    encoded = encodings(vectors)
    return PassageStore(encoded.stored, encoded.form, pl.Series([f"p{row:04}" for row in range(len(vectors))]))


QUERY_IDS = pl.Series([f"q{row}" for row in range(6)])


@pytest.mark.parametrize("at_once", [7, 1000])
def test_it_finds_the_highest_products(tmp_path: Path, at_once: int) -> None:
    passages, queries = sparse(200, 1), sparse(6, 2)
    passages[50] = queries[4] = 0
    store = store_of(passages)
    InvertedIndex.build(store, at_once=at_once).write(tmp_path)
    run = InvertedIndex.open(tmp_path, store).search(QUERY_IDS, encodings(queries), 20)
    products = queries @ passages.T
    for row, query_id in enumerate(QUERY_IDS):
        found = run.filter(pl.col("query_id") == query_id)
        expected = [passage for passage in np.argsort(-products[row], kind="stable")[:20] if products[row, passage]]
        assert found["passage_id"].to_list() == [f"p{passage:04}" for passage in expected]
        np.testing.assert_allclose(found["score"].to_numpy(), products[row][expected], rtol=1e-5)
    assert "q4" not in set(run["query_id"])


def test_a_depth_beyond_all_gives_those_that_share_a_term() -> None:
    passages, queries = sparse(30, 1, 0.03), sparse(6, 2, 0.05)
    run = InvertedIndex.build(store_of(passages)).search(QUERY_IDS, encodings(queries), 1000)
    assert len(run) == np.count_nonzero(queries @ passages.T)


@settings(max_examples=25)
@given(st.integers(1, 12), st.integers(1, 10), st.integers(0, 100))
def test_pruned_postings_choose_and_whole_vectors_score(terms: int, depth: int, seed: int) -> None:
    """Chosen are the best by the highest weights of each passage; the scores are those of all its weights."""
    passages, queries = sparse(40, seed), sparse(6, seed + 1000)
    pruned = np.where(np.argsort(np.argsort(-passages, axis=1, kind="stable"), axis=1) < terms, passages, 0)
    run = InvertedIndex.build(store_of(passages), terms).search(QUERY_IDS, encodings(queries), depth)
    by_pruned, by_all = queries @ pruned.T, queries @ passages.T
    for row, query_id in enumerate(QUERY_IDS):
        found = run.filter(pl.col("query_id") == query_id)
        chosen = found["passage_id"].str.slice(1).cast(pl.Int64).to_numpy()
        assert len(chosen) == min(depth, np.count_nonzero(by_pruned[row]))
        np.testing.assert_allclose(
            np.sort(by_pruned[row][chosen])[::-1], -np.sort(-by_pruned[row])[: len(chosen)], rtol=1e-5
        )
        np.testing.assert_allclose(found["score"].to_numpy(), by_all[row][chosen], rtol=1e-5)
        assert found["score"].is_sorted(descending=True)


def test_more_that_are_rescored_find_more() -> None:
    passages, queries = sparse(500, 1, 0.4), sparse(6, 2, 0.4)
    index, store = InvertedIndex.build(store_of(passages), 5), store_of(passages)
    exact = InvertedIndex.build(store).search(QUERY_IDS, encodings(queries), 20)
    found = [
        len(exact.join(index.search(QUERY_IDS, encodings(queries), 20, rescored), on=["query_id", "passage_id"]))
        for rescored in (1, 4, 25)
    ]
    assert found[0] < found[1] < found[2] == len(exact)


@pytest.mark.parametrize("terms", [3, 1_000])
def test_the_estimated_size_of_a_pruned_index_is_that_of_its_files(terms: int, tmp_path: Path) -> None:
    """Some passages have fewer than three terms."""
    store, kind = store_of(sparse(500, 1, 0.05)), Pruned(terms=terms)
    kind.build(store, tmp_path, "it")
    disk, memory = kind.bytes_built(store)
    # Each of three files has a header.
    size = sum(file.stat().st_size for file in tmp_path.iterdir()) - 3 * 128
    assert disk == memory == pytest.approx(size, abs=8)


# Builds an index, tells of each of its files, and waits behind it.
SLOWLY = """
import sys, time
from pathlib import Path
import numpy as np
from distilrank.retrieval.passage_store import PassageStore
from distilrank.retrieval.store_kinds import Inverted

save = np.save

def slowly(file, *values, **options):
    save(file, *values, **options)
    print("saved", flush=True)
    time.sleep(60)

np.save = slowly
Inverted().build(PassageStore.open(Path(sys.argv[1])), Path(sys.argv[1]), "it")
"""


def test_a_build_that_was_killed_gives_the_index_of_an_undisturbed_one(tmp_path: Path) -> None:
    """With the second of its files written by half."""
    store = store_of(sparse(300, 1))
    for name in ("whole", "killed"):
        GrowingStore(tmp_path / name, store.passage_ids, store.form, "it").add(0, store.stored)
    whole, place = (tmp_path / name for name in ("whole", "killed"))
    Inverted().build(PassageStore.open(whole), whole, "it")
    killed = subprocess.Popen([sys.executable, "-c", SLOWLY, str(place)], stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None and killed.stdout.readline() == "saved\n"
    killed.kill()
    killed.communicate()
    assert (place / "starts.npy").exists() and not (place / "scores.npy").exists()
    (place / "rows.npy").write_bytes((whole / "rows.npy").read_bytes()[:1000])
    Inverted().build(PassageStore.open(place), place, "it")
    files, expected = ({file.name: file.read_bytes() for file in one.iterdir()} for one in (place, whole))
    assert files == expected and {"starts.npy", "rows.npy", "scores.npy"} < files.keys()


def test_ties_at_the_cut_are_drawn_from_all_passages() -> None:
    passages = np.tile(sparse(1, 3, 0.5), (2000, 1))
    run = InvertedIndex.build(store_of(passages)).search(pl.Series(["q"]), encodings(sparse(1, 4, 0.5)), 200)
    found = run["passage_id"].str.slice(1).cast(pl.Int64)
    # 200 draws from 0 to 1999: the mean is 999.5, with a standard error of 577 / sqrt(200) = 41.
    assert found.n_unique() == 200
    assert abs(found.mean() - 999.5) < 3 * 41

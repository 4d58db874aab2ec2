"""PLAID over a passage store against exact search by MaxSim."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.rankers.examples import OPTIONS, saved_backbone, small_ranker

from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import Encoded, Ranker
from distilrank.retrieval import plaid
from distilrank.retrieval.encodings import Encodings
from distilrank.retrieval.forms import VectorsForm
from distilrank.retrieval.maxsim import search_all
from distilrank.retrieval.passage_store import PassageStore
from distilrank.retrieval.plaid import PlaidIndex
from distilrank.retrieval.store_kinds import Int8, Plaid

QUERY_IDS = pl.Series([f"q{row:02}" for row in range(20)])


@pytest.fixture(scope="module")
def colbert(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Ranker:
    folder = saved_backbone("bert", tmp_path_factory.mktemp("backbone"))
    return small_ranker(OPTIONS["colbert-normalised"], folder, TextTokenizer(backbone))


def encodings(lengths: np.ndarray, topics: int, seed: int) -> Encodings:
    """Vectors of length 1 about as many directions, as tokens of a language have."""
    random, about = np.random.default_rng(seed), np.random.default_rng(0).standard_normal((topics, 16))
    mask = torch.arange(int(lengths.max())) < torch.from_numpy(lengths)[:, None]
    values = about[random.integers(0, topics, mask.shape)] + 0.3 * random.standard_normal((*mask.shape, 16))
    values /= np.linalg.norm(values, axis=2, keepdims=True)
    return Encodings.of(Encoded(torch.from_numpy(values.astype(np.float32)), mask), VectorsForm("float16"))


@pytest.fixture(scope="module")
def store() -> PassageStore:
    encoded = encodings(np.random.default_rng(1).integers(0, 30, 1500), 200, 2)
    return PassageStore(encoded.stored, encoded.form, pl.Series([f"p{row:04}" for row in range(1500)]))


@pytest.fixture(scope="module")
def queries() -> Encodings:
    return encodings(np.random.default_rng(3).integers(2, 8, 20), 200, 4)


@pytest.fixture(scope="module")
def index(store: PassageStore, tmp_path_factory: pytest.TempPathFactory) -> PlaidIndex:
    return PlaidIndex.build(store, tmp_path_factory.mktemp("index"), "it", 256)


def test_it_finds_most_of_the_best_and_gives_their_exact_scores(
    colbert: Ranker, index: PlaidIndex, store: PassageStore, queries: Encodings
) -> None:
    exact = search_all(colbert, QUERY_IDS, queries, store, 10)
    found = index.search(colbert, QUERY_IDS, queries, 10, probes=4, compared=100)
    both = exact.join(found, on=["query_id", "passage_id"])
    assert len(found) == len(exact)
    assert len(both) >= 0.9 * len(exact)
    np.testing.assert_allclose(both["score_right"].to_numpy(), both["score"].to_numpy(), rtol=1e-4)
    for (_,), of_query in found.group_by("query_id", maintain_order=True):
        assert of_query["score"].is_sorted(descending=True)


def test_all_centroids_and_all_passages_are_the_exact_search(
    colbert: Ranker, index: PlaidIndex, store: PassageStore, queries: Encodings
) -> None:
    exact = search_all(colbert, QUERY_IDS, queries, store, 10)
    found = index.search(colbert, QUERY_IDS, queries, 10, probes=10_000, compared=10_000)
    assert found.drop("score").equals(exact.drop("score"))
    np.testing.assert_allclose(found["score"].to_numpy(), exact["score"].to_numpy(), rtol=1e-4)


@pytest.mark.parametrize(
    "kind", [Plaid(), Plaid(centroids=64), Int8()], ids=lambda kind: f"{kind.kind}-{getattr(kind, 'centroids', '')}"
)
def test_what_is_built_takes_no_more_than_is_told(kind: Plaid | Int8, store: PassageStore, tmp_path: Path) -> None:
    kind.build(store, tmp_path, "it")
    taken = sum((tmp_path / name.name).stat().st_size for name in tmp_path.glob("*.npy"))
    disk, _ = kind.bytes_built(store)
    assert 0.5 * disk < taken <= disk + 1_000  # headers


def test_centroids_are_found_of_a_bounded_sample(
    store: PassageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plaid, "_SAMPLE", 1_000)
    drawn, vectors = [], store.vectors

    def counted(rows: np.ndarray) -> np.ndarray:
        drawn.append(len(vectors(rows)))
        return vectors(rows)

    monkeypatch.setattr(store, "vectors", counted)
    PlaidIndex.build(store, tmp_path, "it", 64)
    assert 1_000 <= drawn[0] < 1_030


class Stopped(Exception):
    """What stands for a kill."""


def test_a_killed_build_goes_on(store: PassageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PlaidIndex.build(store, tmp_path / "whole", "it", 64)
    monkeypatch.setattr(plaid, "_AT_ONCE", 4_000)
    write, blocks = plaid.append_rows, 0

    def stopping(path: Path, kept: int, rows: np.ndarray) -> None:
        nonlocal blocks
        blocks += path.name == plaid.CODES
        write(path, kept, rows)
        if blocks == 3:
            raise Stopped

    monkeypatch.setattr(plaid, "append_rows", stopping)
    with pytest.raises(Stopped):
        PlaidIndex.build(store, tmp_path / "parts", "it", 64)
    monkeypatch.setattr(plaid, "_centroids", None)  # they stand already
    blocks = 10
    PlaidIndex.build(store, tmp_path / "parts", "it", 64)
    assert blocks > 12
    for name in (plaid.CENTROIDS, plaid.CODES, plaid.STARTS, plaid.PASSAGES):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()

"""Passages that are added, replaced and deleted, in any order: what is found is what a plain mapping would have."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distilrank.errors import InputError, MissingInput, ScoreError
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.kinds import Approximate, Factory, Hnsw, IndexKind, Ivf, Sq8
from distilrank.retrieval.vectors import Vectors

WIDTH, AT_FIRST = 8, 60
# Those that search every list, or every vector, find all that is there.
KINDS: dict[str, IndexKind | None] = {
    "flat": None,
    "hnsw": Hnsw(links=16, build_width=200, search_width=200),
    "ivf": Ivf(lists=4, probes=4),
    "sq8": Sq8(rescored=4),
}
IDS = [f"p{number:02}" for number in range(80)]
some_ids = st.lists(st.sampled_from(IDS), min_size=1, max_size=6, unique=True)
change = st.tuples(st.sampled_from(["put", "put", "delete", "write"]), some_ids, st.integers(0, 99))


def random_vectors(rows: int, seed: int) -> Vectors:
    return np.random.default_rng(seed).standard_normal((rows, WIDTH)).astype(np.float32)


def live(kind: IndexKind | None, folder: Path) -> DenseIndex:
    DenseIndex.build(random_vectors(AT_FIRST, 1), pl.Series(IDS[:AT_FIRST]), kind).write(folder)
    return DenseIndex.read(folder, live=True)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=25, deadline=None)
@given(changes=st.lists(change, max_size=12))
def test_after_any_changes_it_finds_what_a_plain_mapping_has(
    name: str, changes: list[tuple[str, list[str], int]]
) -> None:
    known = dict(zip(IDS, random_vectors(AT_FIRST, 1), strict=False))
    with TemporaryDirectory() as folder:
        index = live(KINDS[name], Path(folder))
        for number, (what, ids, seed) in enumerate(changes):
            if what == "put":
                vectors = random_vectors(len(ids), seed)
                index.put(pl.Series(ids), vectors)
                known |= zip(ids, vectors, strict=True)
            elif what == "delete":
                gone = [one for one in ids if one in known]
                if gone != ids:
                    with pytest.raises(MissingInput, match="an id that is not stored"):
                        index.delete(pl.Series(ids))
                index.delete(pl.Series(gone, dtype=pl.String))
                known = {one: vector for one, vector in known.items() if one not in gone}
            else:
                (place := Path(folder) / str(number)).mkdir()
                index.write(place)
                assert_finds(DenseIndex.read(place), known, name)
                index = DenseIndex.read(place, live=True)
            assert_finds(index, known, name)


def assert_finds(index: DenseIndex, known: dict[str, Vectors], name: str) -> None:
    """Exactly, or, of a graph, nothing that is gone, and all that it finds by the vectors of now."""
    assert len(index.store) == len(known)
    queries = random_vectors(3, 7)
    run = index.search(pl.Series(["q0", "q1", "q2"]), queries, 5)
    for row, query in enumerate(queries):
        products = {one: float(query @ vector) for one, vector in known.items()}
        found = dict(run.filter(pl.col("query_id") == f"q{row}").select("passage_id", "score").iter_rows())
        assert found == pytest.approx({one: products[one] for one in found}, rel=1e-4, abs=1e-5)
        # Of passages with the same vector, any may be found.
        fifth = min(sorted(products.values())[-5:], default=0.0)
        best = [one for one in found if products[one] >= fifth - 1e-5]
        least = 5 if name == "flat" else 4  # others choose by rounded vectors
        assert len(best) >= min(least, len(known))
    if known:
        stored = index.vectors(pl.Series(list(known)))
        np.testing.assert_allclose(stored, np.stack(list(known.values())), rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "change", "expected"),
    [
        (Factory(factory="PQ4x4"), "delete", "a deletion or replacement, but this kind of index"),
        (Factory(factory="PQ4x4"), "replace", "a deletion or replacement, but this kind of index"),
        (Factory(factory="NSG8"), "add", "an addition, but this kind of index cannot take more passages"),
    ],
    ids=["delete", "replace", "add"],
)
def test_a_change_that_a_kind_does_not_allow_changes_nothing(
    kind: Approximate, change: str, expected: str, tmp_path: Path
) -> None:
    first = 150  # fewer make no graph of this kind
    ids = pl.Series([f"p{number:03}" for number in range(first)])
    DenseIndex.build(random_vectors(first, 1), ids, kind).write(tmp_path)
    index = DenseIndex.read(tmp_path, live=True)
    with pytest.raises(InputError, match=expected):
        if change == "delete":
            index.delete(pl.Series(["p003"]))
        else:
            index.put(pl.Series(["p003" if change == "replace" else "p999"]), random_vectors(1, 3))
    assert len(index.store) == first
    np.testing.assert_array_equal(index.vectors(ids), random_vectors(first, 1))


@pytest.mark.parametrize("name", KINDS)
def test_an_emptied_index_finds_nothing_until_something_is_put(name: str, tmp_path: Path) -> None:
    index, query = live(KINDS[name], tmp_path), random_vectors(1, 7)
    index.delete(pl.Series(IDS[:AT_FIRST]))
    assert index.search(pl.Series(["q0"]), query, 5).is_empty()
    index.put(pl.Series([], dtype=pl.String), np.empty((0, 0), np.float32))
    assert index.search(pl.Series(["q0"]), query, 5).is_empty()
    index.put(pl.Series(["p70"]), random_vectors(1, 8))
    assert index.search(pl.Series(["q0"]), query, 5)["passage_id"].to_list() == ["p70"]


def test_what_cannot_be_stored_is_refused_before_anything_changes(tmp_path: Path) -> None:
    index = live(None, tmp_path)
    vectors = random_vectors(2, 3)
    with pytest.raises(InputError, match="passages: got 'p01' twice"):
        index.put(pl.Series(["p01", "p01"]), vectors)
    with pytest.raises(InputError, match=r"got vectors of shape \(2, 5\), expected \(2, 8\)"):
        index.put(pl.Series(["p01", "p02"]), vectors[:, :5])
    vectors[1, 2] = np.nan
    with pytest.raises(ScoreError, match="the vector of passage 'p02': got numbers that are not finite"):
        index.put(pl.Series(["p01", "p02"]), vectors)
    np.testing.assert_array_equal(index.vectors(pl.Series(["p01"])), random_vectors(AT_FIRST, 1)[[1]])
    with pytest.raises(InputError, match="a change of a read-only index"):
        DenseIndex.read(tmp_path).delete(pl.Series(["p01"]))

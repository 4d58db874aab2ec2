"""Kinds of index: what they find of the exact search, by shards, after kills, and what they say of their size."""

from pathlib import Path

import faiss
import numpy as np
import polars as pl
import pytest

from distilrank.errors import InputError
from distilrank.retrieval import faiss_index, fitting, on_card
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.faiss_index import built_index, read_index, write_index
from distilrank.retrieval.fitting import Size, free_memory
from distilrank.retrieval.fitting_index import estimated_size, refuse_too_large
from distilrank.retrieval.kinds import Approximate, Factory, Fp16, Hnsw, Ivf, IvfPq, OpqPq, Sq8
from distilrank.retrieval.vector_store import VectorStore
from distilrank.retrieval.vectors import Vectors

PASSAGES, WIDTH = 1_500, 16
IDS = pl.Series([f"p{number:05}" for number in range(PASSAGES)])
QUERY_IDS = pl.Series([f"q{number:02}" for number in range(40)])
# With the least recall@10 that each should have here.
KINDS: dict[str, tuple[Approximate, float]] = {
    "fp16": (Fp16(), 0.99),
    "sq8": (Sq8(), 0.9),
    "ivf": (Ivf(lists=16, probes=8), 0.9),
    "hnsw": (Hnsw(links=16, build_width=64, search_width=64), 0.95),
    "ivf-pq": (IvfPq(lists=4, probes=4, bytes=8), 0.9),
    "opq-pq": (OpqPq(bytes=8), 0.9),
    "factory": (Factory(factory="IVF16,PQ8x4fs,RFlat", set={"nprobe": 16, "k_factor_rf": 8}), 0.9),
}
# Those of which Faiss makes one index of several.
MERGED = ("fp16", "sq8", "ivf", "ivf-pq", "opq-pq")


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """In clusters, and of different lengths, so that inner products rank otherwise than distances."""
    random = np.random.default_rng(1)
    centres = random.normal(size=(50, WIDTH))
    near = centres[random.integers(0, 50, PASSAGES)] + 0.5 * random.normal(size=(PASSAGES, WIDTH))
    return np.asarray(near * random.uniform(0.5, 1.5, size=(PASSAGES, 1)), np.float32)


@pytest.fixture(scope="module")
def queries(vectors: Vectors) -> Vectors:
    noise = np.random.default_rng(2).normal(size=(len(QUERY_IDS), WIDTH))
    return np.asarray(vectors[:: PASSAGES // len(QUERY_IDS)][: len(QUERY_IDS)] + 0.3 * noise, np.float32)


def best_products(vectors: Vectors, queries: Vectors) -> list[set[str]]:
    return [{IDS[int(row)] for row in np.argsort(-products)[:10]} for products in queries @ vectors.T]


@pytest.mark.parametrize("name", KINDS)
def test_an_index_finds_most_of_the_highest_products_and_scores_them_exactly(
    name: str, vectors: Vectors, queries: Vectors, tmp_path: Path
) -> None:
    kind, least = KINDS[name]
    DenseIndex.build(vectors, IDS, kind).write(tmp_path)
    run = DenseIndex.read(tmp_path).search(QUERY_IDS, queries, 10)
    assert run["query_id"].value_counts()["count"].to_list() == [10] * len(QUERY_IDS)
    shared = [
        len(set(run.filter(pl.col("query_id") == query)["passage_id"]) & best)
        for query, best in zip(QUERY_IDS, best_products(vectors, queries), strict=True)
    ]
    assert np.mean(shared) / 10 >= least
    products = (queries @ vectors.T)[7]
    found = run.filter(pl.col("query_id") == QUERY_IDS[7])
    expected = [products[int(passage[1:])] for passage in found["passage_id"]]
    np.testing.assert_allclose(found["score"].to_numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_a_mapped_index_finds_what_one_in_memory_does(
    name: str, vectors: Vectors, queries: Vectors, tmp_path: Path
) -> None:
    kind = KINDS[name][0]
    write_index(built_index(kind, VectorStore.of(vectors, IDS), tmp_path, name), tmp_path / "index.faiss")
    both = [read_index(tmp_path / "index.faiss", kind, mapped).search(queries, 10)[1] for mapped in (True, False)]
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("name", KINDS)
def test_a_build_that_was_killed_goes_on_and_gives_the_same_bytes(
    name: str, vectors: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, store = KINDS[name][0], VectorStore.of(vectors, IDS)
    for place in ("whole", "killed"):
        (tmp_path / place).mkdir()
    whole = built_index(kind, store, tmp_path / "whole", name, shard=500)
    add, added = faiss_index._add, list[int]()

    def add_once(index: faiss.Index, store: VectorStore, first: int, shard: int) -> None:
        if len(added) == 2:
            raise KeyboardInterrupt
        added.append(first)
        add(index, store, first, shard)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(faiss_index, "_add", add_once)
        built_index(kind, store, tmp_path / "killed", name, shard=500)
    with monkeypatch.context() as patched:
        added[:] = [0]
        patched.setattr(faiss_index, "_add", add_once)
        again = built_index(kind, store, tmp_path / "killed", name, shard=500)
    assert added == [0, 1_000], "two shards stood already"
    assert again.ntotal == whole.ntotal == PASSAGES
    assert faiss.serialize_index(again).tobytes() == faiss.serialize_index(whole).tobytes()


@pytest.mark.parametrize("name", MERGED)
def test_shards_make_the_same_index_as_all_at_once(
    name: str, vectors: Vectors, queries: Vectors, tmp_path: Path
) -> None:
    kind, store = KINDS[name][0], VectorStore.of(vectors, IDS)
    found = []
    for shard in (400, PASSAGES):
        (tmp_path / str(shard)).mkdir()
        found.append(built_index(kind, store, tmp_path / str(shard), name, shard).search(queries, 10)[1])
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("name", KINDS)
def test_the_estimated_size_is_that_of_the_file(name: str, vectors: Vectors, tmp_path: Path) -> None:
    kind = KINDS[name][0]
    write_index(built_index(kind, VectorStore.of(vectors, IDS), tmp_path, name), tmp_path / "index.faiss")
    size = (tmp_path / "index.faiss").stat().st_size
    assert estimated_size(kind, PASSAGES, WIDTH).disk == pytest.approx(size, rel=0.2, abs=50_000)


def test_what_has_no_room_is_refused_with_a_kind_that_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """8.8 million vectors of 768 numbers: 16.0 GB as a graph, 6.8 GB in bytes."""
    monkeypatch.setattr(fitting, "free_memory", lambda: 8 * 10**9)
    monkeypatch.setattr(fitting.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10**12}))
    with pytest.raises(
        InputError, match=r"dot-hnsw-T1: got an index of kind hnsw of .*, 15\.986 GB on disk, .*choose kind: sq8"
    ):
        refuse_too_large(Hnsw(), 8_841_823, 768, "dot-hnsw-T1")
    assert "an index of kind hnsw of 8,841,823 passages of 768 numbers" in capsys.readouterr().out
    refuse_too_large(IvfPq(lists=4096), 8_841_823, 768, "dot-ivf-pq-T1")


def test_a_refusal_names_what_faiss_can_make_and_nothing_that_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100 numbers, which make no codes of 48 bytes."""
    monkeypatch.setattr(fitting, "free_memory", lambda: 10**12)

    def remedy(kind: Approximate, free: int) -> str:
        monkeypatch.setattr(fitting.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
        with pytest.raises(InputError) as refused:
            refuse_too_large(kind, 1_000_000, 100, "it")
        return str(refused.value).rpartition("; ")[2]

    assert remedy(Hnsw(), 60_000_000) == "choose kind: ivf-pq, bytes: 25"
    assert remedy(Hnsw(links=200), 500_000_000) == "choose kind: hnsw, links: 32"
    assert remedy(Fp16(sample=1), 150_000_000) == "choose kind: sq8"
    assert remedy(IvfPq(bytes=25), 1_000_000) == "build it on a larger machine"


def test_memory_is_bounded_by_the_control_group(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("1000000\n")
    (group / "memory.current").write_text("400000\n")
    assert free_memory(tmp_path) == 600_000
    (group / "memory.max").write_text("max\n")
    assert free_memory(tmp_path) > 1_000_000
    assert free_memory(tmp_path / "none") > 1_000_000


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Factory(factory="IVFF16"), "'IVFF16', which Faiss refuses for vectors of 16 numbers"),
        (IvfPq(bytes=7), "'IVF1024,PQ7x8np', which Faiss refuses"),
        (Ivf(lists=100_000), "'IVF100000,SQfp16', which Faiss refuses"),
        (Factory(factory="SQ8", set={"nprobes": 3}), "'SQ8', which Faiss refuses"),
    ],
    ids=str,
)
def test_what_faiss_cannot_build_is_a_users_mistake(
    kind: Approximate, expected: str, vectors: Vectors, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=expected):
        built_index(kind, VectorStore.of(vectors, IDS), tmp_path, "an index")


class OnCard:
    """What stands for an index on a card, with its bounds."""

    def __init__(self, index: faiss.Index) -> None:
        self._index, self.depths = index, list[int]()

    def search(self, queries: Vectors, depth: int) -> tuple[np.ndarray, np.ndarray]:
        if depth > on_card.MOST:
            raise RuntimeError("GPU index only supports min/max-K selection up to 2048")
        self.depths.append(depth)
        return self._index.search(queries, depth)


def test_a_card_is_asked_for_no_more_than_it_can_find(
    vectors: Vectors, queries: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the processor's copy answers, also where passages were deleted."""
    copies: list[OnCard] = []

    def copy_on_card(index: faiss.Index) -> OnCard:
        copies.append(OnCard(index))
        return copies[-1]

    for place in ("whole", "changed"):
        (tmp_path / place).mkdir()
    DenseIndex.build(vectors, IDS, Fp16(rescored=4)).write(tmp_path / "whole")
    monkeypatch.setattr(on_card, "copy_on_card", copy_on_card)
    monkeypatch.setattr(on_card, "MOST", 100)
    index = DenseIndex.read(tmp_path / "whole")
    for depth in (10, 30):
        assert len(index.search(QUERY_IDS, queries, depth)) == depth * len(QUERY_IDS)
    assert [copy.depths for copy in copies] == [[40]]
    live = DenseIndex.read(tmp_path / "whole", live=True)
    live.delete(IDS[:3])
    live.write(tmp_path / "changed")
    found = DenseIndex.read(tmp_path / "changed").search(QUERY_IDS, queries, 10)
    assert len(found) == 10 * len(QUERY_IDS) and not set(IDS[:3]) & set(found["passage_id"])
    assert len(copies) == 1


def test_an_index_of_another_type_is_not_built_on_a_card(
    vectors: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faiss makes exact vectors, in float32, of fp16 on a card."""
    monkeypatch.setattr(on_card, "copy_on_card", lambda index: faiss.IndexFlatIP(index.d))
    index = built_index(Fp16(), VectorStore.of(vectors, IDS), tmp_path, "it")
    assert isinstance(index, faiss.IndexScalarQuantizer) and index.ntotal == PASSAGES


def test_a_size_is_of_disk_and_memory() -> None:
    assert estimated_size(Fp16(sample=1), 1_000, 100) == Size(disk=200_000, memory=400_000 + 2 * 400)

"""Faiss indexes: trained on a sample, built shard by shard, and searched from a mapped file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from distilrank.data.ragged import Rows
from distilrank.errors import InputError
from distilrank.progress import progress
from distilrank.retrieval.kinds import Approximate
from distilrank.retrieval.on_card import inner_index, off_card, to_build
from distilrank.retrieval.vector_store import VectorStore
from distilrank.retrieval.vectors import Vectors

if TYPE_CHECKING:
    import faiss

# Passages of a shard: what a killed build loses at most.
SHARD = 1 << 18
# By rows, whether their passages are still there.
Alive = npt.NDArray[np.bool_]


def built_index(kind: Approximate, store: VectorStore, work: Path, whose: str, shard: int = SHARD) -> "faiss.Index":
    """An index of all vectors in a store, by their rows. A killed build goes on from what is in `work`.

    Raises InputError if Faiss refuses.
    """
    with _faiss_refusals(kind, store.width):
        trained = _trained(kind, store, work / "trained.faiss")
        if _merges(trained):
            return _merged(trained, store, work, whose, shard)
        return _grown(trained, kind, store, work, whose, shard)


def read_index(file: Path, kind: Approximate, mapped: bool = True) -> "faiss.Index":
    """An index that is ready to search. A mapped one takes no changes."""
    import faiss

    index = faiss.read_index(str(file), _mapping(file) if mapped else 0)
    if mapped and _is_inverted(index):
        _without_prefetching(index)
    _set(index, kind)
    return index


def write_index(index: "faiss.Index", file: Path) -> None:
    """Writes the index whole or not at all."""
    import faiss

    draft = file.with_name(f".{file.name}.partial")
    faiss.write_index(index, str(draft))
    draft.rename(file)


def found_rows(index: "faiss.Index", queries: Vectors, depth: int, alive: Alive | None = None) -> Rows:
    """The rows (queries, depth) that an index finds, best first, and -1 where it finds fewer.

    Only rows that are `alive` are found. Raises InputError if this kind cannot leave out others.
    """
    if alive is None or alive.all():
        rows: Rows = index.search(np.ascontiguousarray(queries), depth)[1]
        return rows
    import faiss

    kinds: Any = faiss  # whose stubs lack the arguments
    selector = kinds.IDSelectorBitmap(np.packbits(alive, bitorder="little"))
    try:
        rows = index.search(np.ascontiguousarray(queries), depth, params=_selecting(index, selector))[1]
    except RuntimeError as error:
        raise InputError(
            "passages", got="a deletion or replacement, but this kind of index cannot delete passages",
            expected="hnsw, ivf, ivf-pq, fp16, sq8 or flat", remedy="use one of these kinds, or build the index again",
        ) from error  # fmt: skip
    return rows


def add_vectors(index: "faiss.Index", vectors: Vectors) -> None:
    """Adds rows behind those that it has. Raises InputError if this kind takes no more."""
    try:
        index.add(np.ascontiguousarray(vectors))
    except RuntimeError as error:
        raise InputError(
            "passages", got="an addition, but this kind of index cannot take more passages",
            expected="hnsw, ivf, ivf-pq, opq-pq, fp16, sq8 or flat",
            remedy="use one of these kinds, or build the index again",
        ) from error  # fmt: skip


def empty_index(kind: Approximate, width: int) -> "faiss.Index":
    """An index of the kind without passages, perhaps to be trained. Raises InputError if Faiss makes none."""
    import faiss

    with _faiss_refusals(kind, width):
        index = faiss.index_factory(width, kind.factory_string(width), faiss.METRIC_INNER_PRODUCT)
        _set(index, kind)
        return index


def _set(index: "faiss.Index", kind: Approximate) -> None:
    import faiss

    for name, value in kind.settings().items():
        faiss.ParameterSpace().set_index_parameter(index, name, value)


def _trained(kind: Approximate, store: VectorStore, file: Path) -> "faiss.Index":
    import faiss

    if file.is_file():
        return faiss.read_index(str(file))
    index = empty_index(kind, store.width)
    if not index.is_trained:
        drawn = np.random.default_rng(0).choice(len(store), min(kind.sample, len(store)), replace=False)
        there = to_build(index)
        there.train(store.rows(np.sort(drawn)))
        index = off_card(there)
    write_index(index, file)
    return index


def _merged(trained: "faiss.Index", store: VectorStore, work: Path, whose: str, shard: int) -> "faiss.Index":
    """Builds each shard in a file of its own, then merges all into one."""
    import faiss

    files = {first: work / f"shard-{first}.faiss" for first in range(0, len(store), shard)}
    done = sum(min(shard, len(store) - first) for first, file in files.items() if file.is_file())
    with progress(f"passages indexed, {whose}", len(store), done) as advance:
        for first, file in files.items():
            if not file.is_file():
                index = to_build(faiss.clone_index(trained))
                _add(index, store, first, shard)
                write_index(off_card(index), file)
                advance(min(shard, len(store) - first))
    whole = faiss.read_index(str(files[0]))
    for first in list(files)[1:]:
        whole.merge_from(faiss.read_index(str(files[first])), first if _is_inverted(whole) else 0)
    return whole


def _grown(
    trained: "faiss.Index", kind: Approximate, store: VectorStore, work: Path, whose: str, shard: int
) -> "faiss.Index":
    """Builds a graph, which cannot be merged, as one index that grows and is written after each shard."""
    import faiss

    file = work / "grown.faiss"
    index = faiss.read_index(str(file)) if file.is_file() else trained
    _set(index, kind)
    with progress(f"passages indexed, {whose}", len(store), index.ntotal) as advance:
        for first in range(index.ntotal, len(store), shard):
            _draw_levels_anew(index, first)
            with _one_thread():
                _add(index, store, first, shard)
            if first + shard < len(store):
                write_index(index, file)
            advance(min(shard, len(store) - first))
    return index


def _add(index: "faiss.Index", store: VectorStore, first: int, shard: int) -> None:
    last = min(first + shard, len(store))
    step = max(1, (1 << 24) // store.width)
    for start in range(first, last, step):
        index.add(store.rows(np.arange(start, min(start + step, last))))


def _selecting(index: Any, selector: Any) -> Any:
    """Search parameters of the index's own settings and the selector, since parameters replace what is set."""
    import faiss

    kinds: Any = faiss  # whose stubs lack the arguments
    inner = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexPreTransform):
        return kinds.SearchParametersPreTransform(index_params=_selecting(inner.index, selector))
    if isinstance(inner, faiss.IndexIVF):
        return kinds.SearchParametersIVF(sel=selector, nprobe=inner.nprobe)
    if isinstance(inner, faiss.IndexHNSW):
        graph: Any = inner.hnsw
        return kinds.SearchParametersHNSW(sel=selector, efSearch=graph.efSearch)
    return kinds.SearchParameters(sel=selector)


def _is_inverted(index: "faiss.Index") -> bool:
    import faiss

    return isinstance(inner_index(index), faiss.IndexIVF)


def _merges(trained: "faiss.Index") -> bool:
    import faiss

    return isinstance(inner_index(trained), faiss.IndexIVF | faiss.IndexFlatCodes)


def _draw_levels_anew(index: "faiss.Index", seed: int) -> None:
    """Draws levels as a build that was never killed does, since a graph's file does not hold its random state."""
    inner = inner_index(index)
    if hasattr(inner, "hnsw"):
        import faiss

        inner.hnsw.rng = faiss.RandomGenerator(12345 + seed)  # type: ignore[attr-defined]  # not in Faiss's stubs


@contextmanager
def _one_thread() -> Iterator[None]:
    """Uses one thread, since several threads link a graph in another order each time."""
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def _mapping(file: Path) -> int:
    """How Faiss maps what is in a file: lists in one way, codes and graphs in another."""
    import faiss

    header = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
    return int(faiss.IO_FLAG_MMAP if _is_inverted(header) else faiss.IO_FLAG_MMAP_IFC)


def _without_prefetching(index: "faiss.Index") -> None:
    """Stops the 32 threads that each search begins to read mapped lists ahead. They take longer than a whole search."""
    import faiss

    lists = faiss.extract_index_ivf(index).invlists
    mapped = faiss.downcast_InvertedLists(lists) if lists else None
    if isinstance(mapped, faiss.OnDiskInvertedLists):
        mapped.prefetch_nthread = 0


@contextmanager
def _faiss_refusals(kind: Approximate, width: int) -> Iterator[None]:
    """Raises InputError, as for a user's mistake, for what Faiss cannot build."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).rpartition("Error: ")[2].strip()
        raise InputError(
            "indexes",
            got=f"'{kind.factory_string(width)}', which Faiss refuses for vectors of {width} numbers ({reason})",
            expected="an index that it can build",
            remedy="choose other settings, or another kind",
        ) from error

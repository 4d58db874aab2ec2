"""PLAID (Santhanam et al., CIKM 2022, arXiv 2205.09707) over a passage store, which holds the exact vectors.

Each vector of a passage is represented by its nearest centroid. A query looks at the passages that have vectors near
its own (stage 1), compares them by their centroids alone (stages 2 and 3), and the best of them by MaxSim of exact
vectors, where the paper has compressed ones (stage 4). The libraries with PLAID, fast-plaid and PyLate, need another
version of torch.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from distilrank.artifacts.files import built, read_json, write_json
from distilrank.data.npy import append_rows
from distilrank.data.ragged import Rows
from distilrank.data.runs import RUN_SCHEMA
from distilrank.progress import progress
from distilrank.rankers.base import Ranker
from distilrank.retrieval.drawn import best
from distilrank.retrieval.encodings import Encodings
from distilrank.retrieval.maxsim import as_run
from distilrank.retrieval.passage_store import PassageStore
from distilrank.retrieval.postings import transposed
from distilrank.retrieval.vectors import Vectors

CENTROIDS, CODES, STARTS, PASSAGES, DONE = "centroids.npy", "codes.npy", "starts.npy", "passages.npy", "done.json"
# Vectors of a block, and vectors per centroid that centroids are found of at most, as in Faiss.
_AT_ONCE, _PER_CENTROID = 1 << 18, 256
_ROUNDS = 10
# Vectors that centroids are found of at most, whatever their number: 2 GB of 128 numbers as float32.
_SAMPLE = 1 << 22


class PlaidIndex:
    """Centroids (centroids, width), the centroid of each vector, and the passages of each centroid."""

    def __init__(
        self, store: PassageStore, centroids: Vectors, codes: npt.NDArray[np.int32], starts: Rows,
        passages: npt.NDArray[np.int32],
    ) -> None:  # fmt: skip
        self.store, self._centroids, self._codes = store, torch.tensor(centroids), codes
        self._starts, self._passages = starts, passages

    @classmethod
    def build(cls, store: PassageStore, directory: Path, whose: str, centroids: int | None = None) -> Self:
        """Writes the index to a directory. A killed build of the same store goes on from what is there.

        `centroids`: how many. None: 16 times the square root of the number of vectors, as a power of two.
        """
        directory.mkdir(parents=True, exist_ok=True)
        number = _number(store, centroids)
        if not (directory / CENTROIDS).is_file():
            append_rows(directory / f"{CENTROIDS}.draft", 0, _centroids(store, number))
            (directory / f"{CENTROIDS}.draft").rename(directory / CENTROIDS)
        _write_codes(store, np.load(directory / CENTROIDS, allow_pickle=False), directory, whose)
        codes = np.load(directory / CODES, mmap_mode="r", allow_pickle=False)
        starts, (passages,) = transposed(lambda: _codes_of_passages(store, codes), number, (np.int32,))
        np.save(directory / STARTS, starts, allow_pickle=False)
        np.save(directory / PASSAGES, passages, allow_pickle=False)
        return cls.open(directory, store)

    @classmethod
    def open(cls, directory: Path, store: PassageStore) -> Self:
        """Opens it, mapped. Raises MissingInput."""
        names = (CENTROIDS, CODES, STARTS, PASSAGES)
        arrays = (np.load(built(directory / name), mmap_mode="r", allow_pickle=False) for name in names)
        return cls(store, *arrays)

    def search(
        self, ranker: Ranker, query_ids: pl.Series, queries: Encodings, depth: int, probes: int, compared: int
    ) -> pl.DataFrame:
        """A run: the `depth` best of the passages that are found for each query, by exact MaxSim.

        `probes`: the centroids that are looked at for each query vector. `compared`: how many passages are compared by
        exact vectors, at least `depth`.
        """
        runs = [pl.DataFrame(schema=RUN_SCHEMA)]
        for row in range(len(queries)):
            query = queries[row : row + 1]
            rows = self._chosen(query.stored.arrays["values"], probes, max(compared, depth))
            rows, scores = best(rows, _maxsim(ranker, query, self.store, rows), depth)
            runs.append(as_run(query_ids.gather([row]), self.store.passage_ids, rows[None], scores[None]))
        return pl.concat(runs)

    def _chosen(self, query: Vectors, probes: int, number: int) -> Rows:
        """The rows of the passages that are best by their centroids, among those near the vectors of a query."""
        # By torch, whose threads are counted where times are measured.
        products = (self._centroids @ torch.from_numpy(query).float().T).numpy()
        near = np.argpartition(-products, min(probes, len(products)) - 1, axis=0)[:probes]
        lists = [self._passages[self._starts[one] : self._starts[one + 1]] for one in np.unique(near)]
        rows = np.unique(np.concatenate(lists)).astype(np.int64)
        if len(rows) <= number:
            return rows
        places, offsets = self.store.stored.places(rows)
        highest = np.maximum.reduceat(products[self._codes[places]], offsets[:-1])
        return best(rows, highest.sum(axis=1), number)[0]


def bytes_built(store: PassageStore, centroids: int | None = None) -> tuple[int, int]:
    """The bytes that a build takes at most, on disk and in memory."""
    number = _number(store, centroids)
    of_centroids, of_codes = 4 * number * store.width, 4 * store.entries
    # Centroids are found of vectors as float32, which are copied once from what is stored.
    of_sample = 2 * 4 * store.width * min(_sample(number), store.entries)
    return of_centroids + 2 * of_codes + 8 * (number + 1), of_centroids + max(of_sample, of_codes)


def _number(store: PassageStore, centroids: int | None) -> int:
    """How many centroids there are."""
    return min(centroids or 2 ** int(math.log2(16 * math.sqrt(store.entries))), store.entries)


def _sample(number: int) -> int:
    """How many vectors so many centroids are found of at most."""
    return max(number, min(number * _PER_CENTROID, _SAMPLE))


def _maxsim(ranker: Ranker, query: Encodings, store: PassageStore, rows: Rows) -> Vectors:
    if not len(rows):
        return np.empty(0, np.float32)
    read = query.read(np.array([0]), ranker.device)
    scores: Vectors = ranker.interact_all(read, store.read(rows, ranker.device))[0].cpu().numpy()
    return scores


def _centroids(store: PassageStore, number: int) -> Vectors:
    """Centroids by k-means, of the vectors of drawn passages."""
    import faiss

    drawn = np.random.default_rng(0).permutation(len(store))
    enough = np.searchsorted(np.cumsum(store.lengths(drawn)), _sample(number)) + 1
    vectors = store.vectors(np.sort(drawn[:enough]))
    # Fewer than 39 vectors per centroid are no matter for a warning.
    kmeans = faiss.Kmeans(vectors.shape[1], number, niter=_ROUNDS, seed=1, min_points_per_centroid=1)
    kmeans.train(vectors)
    assert kmeans.centroids is not None
    return kmeans.centroids


def _write_codes(store: PassageStore, centroids: Vectors, directory: Path, whose: str) -> None:
    import faiss

    quantiser = faiss.IndexFlatL2(centroids.shape[1])
    quantiser.add(centroids)
    first, written = read_json(directory / DONE) if (directory / DONE).is_file() else (0, 0)
    step = max(1, int(_AT_ONCE / max(1.0, store.stored.offsets[-1] / len(store))))
    with progress(f"passages indexed, {whose}", len(store), first) as advance:
        for start in range(first, len(store), step):
            stop = min(start + step, len(store))
            codes = quantiser.search(store.vectors(np.arange(start, stop)), 1)[1][:, 0].astype(np.int32)
            append_rows(directory / CODES, written, codes)
            written += len(codes)
            write_json(directory / DONE, [stop, written])
            advance(stop - start)


def _codes_of_passages(store: PassageStore, codes: npt.NDArray[np.int32]) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """Each centroid of a passage once, with the passage's row; some passages at a time."""
    offsets, step = store.stored.offsets, 1 << 16
    for start in range(0, len(store), step):
        some = offsets[start : start + step + 1]
        rows = np.repeat(np.arange(len(some) - 1), np.diff(some))
        pairs = np.unique(rows * np.int64(1 << 32) + codes[some[0] : some[-1]])
        yield (pairs & 0xFFFFFFFF).astype(np.int32), (pairs >> 32).astype(np.int32) + np.int32(start)

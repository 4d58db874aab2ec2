"""Indexes against plain Faiss: the same factory strings, trained on the same sample, and the same exact search.

    python benchmarks/indexes.py --passages 100000 --queries 1000

Vectors are synthetic, in clusters, and of different lengths. Ours builds by shards, searches a mapped file, and scores
what it finds by exact products. Faiss builds and searches in memory, and scores by the codes that it stores. "Single"
is the median of the milliseconds for one query at a time.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faiss
import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from distilrank.evaluation.latency import machine
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.kinds import Approximate, Fp16, Hnsw, Ivf, Sq8
from distilrank.retrieval.vectors import Vectors

DEPTH, SINGLE = 10, 100
Search = Callable[[Vectors], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--width", type=int, default=384)
    asked = parser.parse_args()
    vectors, queries = made_up(asked.passages, asked.queries, asked.width)
    lists = max(1, int(4 * asked.passages**0.5) // 4)
    kinds = (None, Fp16(), Sq8(), Ivf(lists=lists, probes=max(1, lists // 16)), Hnsw(links=16, build_width=100))
    title = f"{asked.passages:,} passages of {asked.width} numbers, {machine()}"
    table = Table("", "build, s", "queries per second", "single, ms", "recall@10", title=title)
    _, best = faiss.knn(queries, vectors, DEPTH, metric=faiss.METRIC_INNER_PRODUCT)
    for kind in kinds:
        name = kind.kind if kind else "flat"
        own, peer = ours(kind, vectors, queries, best), bare(kind, vectors, queries, best)
        table.add_row(f"{name}, distilrank", *(f"{value:.3g}" for value in own))
        table.add_row(f"{name}, Faiss", *(f"{value:.3g}" for value in peer))
        table.add_row(f"{name}, ratio", *(f"{one / other:.2f}" for one, other in zip(own, peer, strict=True)))
    Console().print(table)


def made_up(passages: int, queries: int, width: int) -> tuple[Vectors, Vectors]:
    random = np.random.default_rng(0)
    centres = random.normal(size=(max(1, passages // 100), width)).astype(np.float32)

    def near(number: int) -> Vectors:
        noise = random.normal(scale=0.7, size=(number, width)).astype(np.float32)
        return np.asarray(centres[random.integers(0, len(centres), number)] + noise, np.float32)

    return near(passages) * random.uniform(0.8, 1.2, (passages, 1)).astype(np.float32), near(queries)


def ours(kind: Approximate | None, vectors: Vectors, queries: Vectors, best: Any) -> tuple[float, ...]:
    ids = pl.Series([f"{number:09}" for number in range(len(vectors))])
    query_ids = pl.Series([f"{number:06}" for number in range(len(queries))])
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        DenseIndex.build(vectors, ids, kind).write(Path(folder))
        seconds = time.perf_counter() - began
        index = DenseIndex.read(Path(folder))
        times = timed(lambda some: index.search(query_ids[: len(some)], some, DEPTH), queries)
        run = index.search(query_ids, queries, DEPTH)
    rows = run["passage_id"].cast(pl.Int64).to_numpy().reshape(len(queries), -1)
    return seconds, *times, recall(rows, best)


def bare(kind: Approximate | None, vectors: Vectors, queries: Vectors, best: Any) -> tuple[float, ...]:
    began = time.perf_counter()
    width = vectors.shape[1]
    index = faiss.index_factory(width, kind.factory_string(width) if kind else "Flat", faiss.METRIC_INNER_PRODUCT)
    for name, value in (kind.settings() if kind else {}).items():
        faiss.ParameterSpace().set_index_parameter(index, name, value)
    index.train(vectors[: kind.sample] if kind else vectors)
    index.add(vectors)
    seconds = time.perf_counter() - began
    times = timed(lambda some: index.search(some, DEPTH), queries)
    return seconds, *times, recall(index.search(queries, DEPTH)[1], best)


def timed(search: Search, queries: Vectors) -> tuple[float, float]:
    """Queries per second with all queries at once, the best of three; and the median milliseconds of a single one."""
    together = min(seconds_of(search, queries) for _ in range(3))
    alone = [seconds_of(search, queries[row : row + 1]) for row in range(min(SINGLE, len(queries)))]
    return len(queries) / together, float(np.median(alone)) * 1000


def seconds_of(search: Search, queries: Vectors) -> float:
    began = time.perf_counter()
    search(queries)
    return time.perf_counter() - began


def recall(rows: Any, best: Any) -> float:
    return float(np.mean([len(set(one) & set(other)) / len(other) for one, other in zip(rows, best, strict=True)]))


if __name__ == "__main__":
    main()

"""BM25's index and search against bm25s: seconds, queries per second and peak memory, each in a process of its own.

    python benchmarks/bm25.py --passages 200000 --queries 500

Passages are synthetic, as benchmarks/collection.py makes them. Both use the same tokenizer and find the best 1,000.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import polars as pl
from collection import MEAN_LENGTH, some_texts
from rich.console import Console
from rich.table import Table

from distilrank.evaluation.latency import machine
from distilrank.retrieval.bm25 import BM25
from distilrank.sections.data import Candidates

AT_ONCE, DEPTH, OURS, PEER = 10_000, 1_000, "distilrank", "bm25s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=200_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--only", choices=[OURS, PEER], help="measure one, here, and print its figures as JSON")
    asked = parser.parse_args()
    if asked.only:
        measured = {OURS: ours, PEER: peers}[asked.only](asked.passages, asked.queries)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps([*measured, memory]))
        return
    table = Table(
        "", "index, s", "queries per second", "GiB at most", title=f"{asked.passages:,} passages, {machine()}"
    )
    figures = {name: in_a_process(name, asked) for name in (OURS, PEER)}
    for name, values in figures.items():
        table.add_row(name, *(f"{value:.2f}" for value in values))
    table.add_row("ratio", *(f"{one / other:.2f}" for one, other in zip(figures[OURS], figures[PEER], strict=True)))
    Console().print(table)


def in_a_process(name: str, asked: argparse.Namespace) -> list[float]:
    words = [sys.executable, __file__, "--only", name, f"--passages={asked.passages}", f"--queries={asked.queries}"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    figures: list[float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def ours(passages: int, queries: int) -> tuple[float, float]:
    spent = [0.0]
    began = time.perf_counter()
    ids = pl.Series([f"{number:09}" for number in range(passages)])
    params = Candidates(depth=DEPTH, k1=1.5, b=0.75)
    index = BM25(ids, texts(passages, spent), params)
    seconds = time.perf_counter() - began - spent[0]
    asked = questions(queries)
    began = time.perf_counter()
    index.search([f"{number}" for number in range(queries)], asked, DEPTH)
    return seconds, queries / (time.perf_counter() - began)


def peers(passages: int, queries: int) -> tuple[float, float]:
    import bm25s

    spent = [0.0]
    began = time.perf_counter()
    index = bm25s.BM25(k1=1.5, b=0.75)
    every = [text for some in texts(passages, spent) for text in some]
    index.index(bm25s.tokenize(every, show_progress=False), show_progress=False)
    seconds = time.perf_counter() - began - spent[0]
    asked = questions(queries)
    began = time.perf_counter()
    terms = bm25s.tokenize(asked, return_ids=False, show_progress=False)
    index.retrieve(terms, k=min(DEPTH, passages), n_threads=2, show_progress=False)
    return seconds, queries / (time.perf_counter() - began)


def texts(passages: int, spent: list[float]) -> Iterator[list[str]]:
    """Passages in chunks. `spent` collects the seconds that it took to make them."""
    random = np.random.default_rng(0)
    for start in range(0, passages, AT_ONCE):
        began = time.perf_counter()
        some = some_texts(random, min(AT_ONCE, passages - start), MEAN_LENGTH)
        spent[0] += time.perf_counter() - began
        yield some


def questions(queries: int) -> list[str]:
    return some_texts(np.random.default_rng(1), queries, 6)


if __name__ == "__main__":
    main()

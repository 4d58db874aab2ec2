"""The time and peak memory of the score store, for millions of synthetic pairs and a scorer that costs nothing.

    python benchmarks/score_store.py [--pairs 10000000] [--pairs-at-once 2000000] [--queries 500000]
        [--passages 2000000]

The steps lead from random triples on disk to a plan, the store, the scores, and labelled triples. Prints the seconds of
each step and the peak memory of the process.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from rich.console import Console

from distilrank.data.query_ranges import query_ranges
from distilrank.data.ragged import RaggedIds
from distilrank.data.tokenizer import SpecialTokens
from distilrank.data.tokens import TokenStore
from distilrank.data.triples import pairs_by_range
from distilrank.evaluation.latency import machine
from distilrank.labels.labels import FILE, write_labels
from distilrank.scoring.missing import score_missing
from distilrank.scoring.parts import PairsToScore, ScoredPairs
from distilrank.scoring.plan import KnownPairs, Plan
from distilrank.scoring.scores import scan_scores, write_scores
from distilrank.scoring.store import ScoreStore
from distilrank.workers.local import in_this_process
from distilrank.workers.work import Work

TOKENS_OF_QUERY, TOKENS_OF_PASSAGE = 8, 60
ROWS = 1_000_000
console = Console(width=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000_000)
    parser.add_argument("--pairs-at-once", type=int, default=2_000_000)
    parser.add_argument("--pairs-per-part", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=500_000)
    parser.add_argument("--passages", type=int, default=2_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        run(Path(temporary), asked)


def run(place: Path, asked: argparse.Namespace) -> None:
    pairs, at_once = asked.pairs, asked.pairs_at_once
    with step("synthetic triples and tokens"):
        # A query's positive is shared by all its negatives, so there are about as many pairs as triples.
        write_triples(place / "triples.parquet", pairs, asked.queries, asked.passages)
        tokens = synthetic_tokens(asked.queries, asked.passages)
    triples = pl.scan_parquet(place / "triples.parquet")
    with step("digests of texts"):
        known = KnownPairs(pairs_by_range(triples), tokens)
    with ScoreStore.opened({"scorer": "synthetic"}, place / "store") as store:
        with step("plan"):
            ranges = query_ranges(triples, at_once)
            plan = Plan.made(place / "plan", known, ranges, store, asked.pairs_per_part)
        with step("store"), in_this_process(Work(begin_free_scoring, place)) as each:
            score_missing(store, plan, each, tokens, "float32", "a ranker")
        with step("scores"):
            (place / "scores").mkdir()
            count = write_scores(place / "scores", known, ranges, store)
    scores = scan_scores(place / "scores")
    with step("labels"):
        write_labels(
            place / FILE,
            place / "triples.parquet",
            ranges,
            lambda queries: queries.of(scores).collect(engine="streaming"),
        )
    assert count == plan.pairs
    console.print(
        f"{machine()}: {pairs:,} triples, {count:,} pairs, in {len(ranges)} ranges of at most {at_once:,} pairs; "
        f"at most {peak():.1f} GiB"
    )


@contextmanager
def step(name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    console.print(f"{name}: {time.perf_counter() - began:.1f} s; at most {peak():.1f} GiB so far")


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def write_triples(file: Path, count: int, queries: int, passages: int) -> None:
    random, writer = np.random.default_rng(0), None
    for start in range(0, count, ROWS):
        rows = min(ROWS, count - start)
        asked = random.integers(queries, size=rows)
        table = pl.DataFrame(
            {
                "query_id": names("q", asked),
                "positive_id": names("p", asked % passages),
                "negative_ids": names("p", random.integers(passages, size=rows)).reshape((-1, 1)).arr.to_list(),
            }
        ).to_arrow()
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def names(letter: str, numbers: np.ndarray) -> pl.Series:
    return pl.select(letter + pl.lit(pl.Series(numbers)).cast(pl.String).str.zfill(8)).to_series()


def synthetic_tokens(queries: int, passages: int) -> TokenStore:
    return TokenStore(
        ragged(queries, TOKENS_OF_QUERY),
        ragged(passages, TOKENS_OF_PASSAGE),
        names("q", np.arange(queries)),
        names("p", np.arange(passages)),
        SpecialTokens(101, 102, 0, 103),
    )


def ragged(texts: int, tokens: int) -> RaggedIds:
    ids = np.random.default_rng(1).integers(30_000, size=texts * tokens, dtype=np.uint16)
    return RaggedIds(ids, np.arange(texts + 1, dtype=np.int64) * tokens)


def begin_free_scoring(_: Path) -> Callable[[PairsToScore], ScoredPairs]:
    """A scorer that tells pairs apart and costs nothing, so that everything else is measured."""

    def score(part: PairsToScore) -> ScoredPairs:
        scores = np.arange(len(part.pairs), dtype=np.float32)
        return ScoredPairs(
            part.name, part.pairs, scores, len(part.tokens.passages.ids), len(part.tokens.passages.ids), 1.0, 0
        )

    return score


if __name__ == "__main__":
    main()

"""What is left to score: the pairs that a store lacks, in parts whose pairs share passages.

A plan consists of files. So it takes no more memory than one range of queries, and a killed scoring finds its parts
again.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from distilrank.artifacts.files import read_json, write_json
from distilrank.data.query_ranges import QueryRange
from distilrank.data.tokens import TokenStore
from distilrank.progress import progress
from distilrank.scoring.store import IDENTITY, SCHEMA, ScoreStore, digest_of_pairs, texts_digest

PairsOfRange = Callable[[QueryRange], pl.DataFrame]
PLAN, SAMPLE = "plan.json", "held.parquet"
# How many stored pairs are scored again, to check that the store's scores are still the scorer's.
_SAMPLE_OF_HELD = 32


class KnownPairs:
    """Pairs in the form of the store, with the digest of their tokens."""

    def __init__(self, pairs: PairsOfRange, tokens: TokenStore) -> None:
        """`pairs` gives the pairs (query_id, passage_id) of a range of queries, each once, in the order of their
        ids."""
        self._pairs, self._tokens = pairs, tokens
        self._queries, self._passages = tokens.queries.digests(), tokens.passages.digests()

    def of(self, queries: QueryRange) -> pl.DataFrame:
        """The pairs (query_id, passage_id, texts) of a range, each once."""
        pairs = self._pairs(queries)
        query_rows = self._tokens.query_rows(pairs["query_id"])
        passage_rows = self._tokens.passage_rows(pairs["passage_id"])
        return pairs.with_columns(texts_digest(self._queries[query_rows], self._passages[passage_rows]))


@dataclass(frozen=True)
class Plan:
    """A directory with parts to score, by their names in the store. They have `pairs` pairs (query_id, passage_id,
    texts).

    `held` pairs are already scored, in the store's parts `relied_on`.
    """

    directory: Path
    parts: dict[str, Path]
    pairs: int
    held: int
    relied_on: list[str]

    @classmethod
    def made(
        cls, directory: Path, known: KnownPairs, ranges: list[QueryRange], store: ScoreStore, pairs_per_part: int
    ) -> Self:
        """Reads the plan that a killed scoring left, if only that scoring changed the store since. Otherwise makes
        one."""
        if (directory / PLAN).is_file() and (left := cls._read(directory))._holds_for(store):
            return left
        (directory / PLAN).unlink(missing_ok=True)  # first, so that a kill leaves no plan without its parts
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        pairs = held = parts = 0
        samples = [pl.DataFrame(schema=SCHEMA)]
        relied_on = sorted(store.names())
        with progress("ranges of queries planned", len(ranges)) as advance:
            for queries in ranges:
                wanted = known.of(queries)
                missing, stored = _split(wanted, store.scores(queries))
                for start in range(0, len(missing), pairs_per_part):
                    part = missing.slice(start, pairs_per_part)
                    part.select(list(IDENTITY)).write_parquet(directory / f"part-{parts:06}.parquet")
                    parts += 1
                samples.append(_sample(stored))
                pairs, held = pairs + len(missing), held + len(stored)
                advance(1)
        _sample(pl.concat(samples)).write_parquet(directory / SAMPLE)
        write_json(directory / PLAN, {"pairs": pairs, "held": held, "relied on": relied_on})
        return cls._read(directory)

    def sample_of_held(self) -> pl.DataFrame:
        """Some pairs that the store held when the plan was made, with their scores."""
        return pl.read_parquet(self.directory / SAMPLE)

    def missing_parts(self, store: ScoreStore) -> dict[str, Path]:
        """The parts that are not yet in the store."""
        return {name: part for name, part in self.parts.items() if not store.has(name)}

    def _holds_for(self, store: ScoreStore) -> bool:
        own = {name for name in store.names() if name.split("-")[0] in self.parts}
        return store.names() - own == set(self.relied_on) - own

    @classmethod
    def _read(cls, directory: Path) -> Self:
        counts: dict[str, Any] = read_json(directory / PLAN)
        parts = {digest_of_pairs(part): part for part in sorted(directory.glob("part-*.parquet"))}
        return cls(directory, parts, counts["pairs"], counts["held"], counts["relied on"])


def _split(wanted: pl.DataFrame, stored: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The pairs without a score, passage by passage, and those with one.

    Rankers that encode texts apart then encode nearly every passage in one part only.
    """
    joined = wanted.join(stored, on=list(IDENTITY), how="left", maintain_order="left")
    missing = joined.filter(pl.col("score").is_null())
    return missing.sort("passage_id", "query_id"), joined.filter(pl.col("score").is_not_null())


def _sample(stored: pl.DataFrame) -> pl.DataFrame:
    rows = np.unique(np.linspace(0, len(stored) - 1, min(len(stored), _SAMPLE_OF_HELD)).astype(np.int64))
    return stored[rows].select(list(SCHEMA))

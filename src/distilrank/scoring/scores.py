"""A teacher's scores of the pairs in its triples: raw float32, each pair once, in Parquet parts."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from distilrank.artifacts.files import built
from distilrank.data.query_ranges import QueryRange
from distilrank.errors import ScoreError
from distilrank.scoring.plan import KnownPairs
from distilrank.scoring.store import IDENTITY, ScoreStore

Scores = npt.NDArray[np.float32]
KEY = ["query_id", "passage_id"]


def scan_scores(directory: Path) -> pl.LazyFrame:
    """A teacher's scores (query_id, passage_id, score). Raises MissingInput."""
    built(directory / "part-00000.parquet")
    return pl.scan_parquet(sorted(directory.glob("part-*.parquet")))


def write_part(scores: pl.DataFrame, directory: Path, number: int) -> None:
    """Writes the scores (query_id, passage_id, score) of a range, under its number, for `scan_scores`."""
    columns = [*KEY, pl.col("score").cast(pl.Float32)]
    scores.select(columns).write_parquet(directory / f"part-{number:05}.parquet")


def write_scores(directory: Path, known: KnownPairs, ranges: list[QueryRange], store: ScoreStore) -> int:
    """Writes the wanted scores from a store (query_id, passage_id, score), one part per range, and returns their
    number.

    Raises ScoreError unless each pair has exactly one score.
    """
    total = 0
    for number, queries in enumerate(ranges):
        scores = stored_scores(known, queries, store)
        write_part(scores, directory, number)
        total += len(scores)
    return total


def stored_scores(known: KnownPairs, queries: QueryRange, store: ScoreStore) -> pl.DataFrame:
    """The pairs of a range with their scores (query_id, passage_id, score), float32.

    Raises ScoreError unless each pair has exactly one score.
    """
    pairs = known.of(queries).select(list(IDENTITY))
    scores = pairs.join(store.scores(queries), on=list(IDENTITY), how="left", maintain_order="left")
    missing = scores["score"].null_count()
    if missing or len(scores) != len(pairs):
        raise ScoreError(
            store.directory,
            got=f"{len(scores)} scores, {missing} of the pairs without one",
            expected=f"{len(pairs)} scores, one per pair",
            remedy="delete the directory, so that its pairs are scored again",
        )
    return scores.select(*KEY, "score")

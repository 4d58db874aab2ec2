"""Scoring a store's parts: each whole or absent, so that a killed scoring goes on where it was."""

import os
from pathlib import Path

import polars as pl

from distilrank.data.tokens import TokenStore
from distilrank.errors import ScoreError
from distilrank.progress import Advance
from distilrank.rankers.base import Ranker
from distilrank.scoring.pairs import rerank


def score_parts(
    ranker: Ranker, tokens: TokenStore, pairs: pl.DataFrame, pairs_per_part: int, directory: Path, advance: Advance
) -> None:
    """Scores the parts that `directory` does not hold yet. Raises ScoreError for a score that is not finite."""
    for start in range(0, len(pairs), pairs_per_part):
        part = directory / f"part-{start // pairs_per_part:05}.parquet"
        wanted = pairs.slice(start, pairs_per_part)
        if not part.is_file():
            _write_part(part, rerank(ranker, tokens, wanted))
            advance(len(wanted))


def _write_part(part: Path, scored: pl.DataFrame) -> None:
    if not scored["score"].is_finite().all():
        bad = scored.filter(~pl.col("score").is_finite()).row(0)
        raise ScoreError(
            "teacher",
            got=f"score {bad[2]} for query '{bad[0]}' and passage '{bad[1]}'",
            expected="finite scores",
            remedy="train the teacher again, with a lower learning rate",
        )
    temporary = part.with_suffix(".partial")
    scored.with_columns(pl.col("score").cast(pl.Float32)).write_parquet(temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.rename(part)

"""Teacher scores as Parquet parts: each pair once."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from distilrank.artifacts import built
from distilrank.errors import ScoreError

Scores = npt.NDArray[np.float32]
KEY = ["query_id", "passage_id"]


def scored_already(directory: Path) -> int:
    """The number of scores in the parts that an earlier scoring left."""
    return sum(pl.scan_parquet(part).select(pl.len()).collect().item() for part in directory.glob("part-*.parquet"))


def read_scores(directory: Path) -> pl.DataFrame:
    """All scores (query_id, passage_id, score) of a store. Raises MissingInput."""
    built(directory / "part-00000.parquet")
    parts = sorted(directory.glob("part-*.parquet"))
    return pl.concat([pl.read_parquet(part) for part in parts])


def check_complete(scores: pl.DataFrame, pairs: pl.DataFrame) -> None:
    """Raises ScoreError unless each of `pairs` has exactly one score, and nothing else has."""
    if not scores.select(KEY).sort(KEY).equals(pairs.select(KEY).sort(KEY)):
        missing = len(pairs.join(scores, on=KEY, how="anti"))
        raise ScoreError(
            "teacher scores",
            got=f"{len(scores)} scores, {missing} of the pairs without one",
            expected=f"{len(pairs)} scores, one a pair",
            remedy="delete .work/ and score again",
        )

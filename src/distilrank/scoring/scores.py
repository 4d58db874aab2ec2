"""Scores of pairs: raw, float32, each pair once."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from distilrank.artifacts import built

Scores = npt.NDArray[np.float32]
KEY = ["query_id", "passage_id"]


def scan_scores(directory: Path) -> pl.LazyFrame:
    """A teacher's scores (query_id, passage_id, score). Raises MissingInput."""
    built(directory / "part-00000.parquet")
    return pl.scan_parquet(sorted(directory.glob("part-*.parquet")))

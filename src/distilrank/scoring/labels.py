"""Labels: triples with a teacher's scores, which is what a student learns from."""

from pathlib import Path

import numpy as np
import polars as pl

from distilrank.artifacts import built
from distilrank.scoring.scores import Scores

FILE = "labels.parquet"
# What labels have beside the columns of triples.
SCORES = ["positive_score", "negative_scores"]


def read_labels(directory: Path) -> pl.DataFrame:
    """Raises MissingInput."""
    return pl.read_parquet(built(directory / FILE))


def scores_of(labels: pl.DataFrame) -> Scores:
    """Scores (triples, 1 + negatives): of each triple's positive, then of its negatives."""
    negatives = labels["negative_scores"].explode().to_numpy().reshape(len(labels), -1)
    return np.column_stack([labels["positive_score"].to_numpy(), negatives]).astype(np.float32)

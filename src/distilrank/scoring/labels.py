"""Labels: triples with a teacher's scores, which is what a student learns from."""

from pathlib import Path

import numpy as np
import polars as pl

from distilrank.artifacts import built
from distilrank.errors import ScoreError
from distilrank.scoring.store import KEY, Scores

FILE = "labels.parquet"


def label(triples: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """The triples, in their order, with `positive_score` and `negative_scores`. Raises ScoreError if one is missing."""
    numbered = triples.with_row_index("triple")
    positives = _scored(numbered, scores, "positive_id")
    negatives = _scored(numbered.explode("negative_ids"), scores, "negative_ids")
    grouped = negatives.group_by("triple", maintain_order=True).agg(negative_scores="score")
    return triples.with_columns(positive_score=positives["score"], negative_scores=grouped["negative_scores"])


def read_labels(directory: Path) -> pl.DataFrame:
    """Raises MissingInput."""
    return pl.read_parquet(built(directory / FILE))


def scores_of(labels: pl.DataFrame) -> Scores:
    """Scores (triples, 1 + negatives): of each triple's positive, then of its negatives."""
    negatives = labels["negative_scores"].explode().to_numpy().reshape(len(labels), -1)
    return np.column_stack([labels["positive_score"].to_numpy(), negatives]).astype(np.float32)


def _scored(triples: pl.DataFrame, scores: pl.DataFrame, side: str) -> pl.DataFrame:
    joined = triples.join(scores, left_on=["query_id", side], right_on=KEY, how="left", maintain_order="left")
    if missing := joined["score"].null_count():
        raise ScoreError(
            "teacher scores",
            got=f"{missing} of {len(joined)} pairs of {side} without a score",
            expected="a score for every pair",
            remedy="build the scores again: dvc repro",
        )
    return joined

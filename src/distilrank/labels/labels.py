"""Labels: triples with a teacher's scores, from which a student learns, however many there are."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from distilrank.artifacts.files import built
from distilrank.data.query_ranges import QueryRange
from distilrank.errors import ScoreError
from distilrank.scoring.scores import KEY, Scores

FILE = "labels.parquet"
# The columns of labels beyond those of triples.
SCORES = ["positive_score", "negative_scores"]
# Counted in the manifest of labels from a file of margins alone: all their positives have the score 0.
MARGINS_ALONE = "of margins alone"
# The rows that are written to a file at once.
_ROWS = 500_000
# How far apart two scores of one pair may be, as a share of 1 + their size. Published scores were made in half
# precision.
_TOLERANCE = 0.01


def read_labels(directory: Path) -> pl.DataFrame:
    """The labels in a directory. Raises MissingInput."""
    return pl.read_parquet(built(directory / FILE))


def scores_of(labels: pl.DataFrame) -> Scores:
    """Scores (triples, 1 + negatives): each triple's positive first, then its negatives."""
    negatives = labels["negative_scores"].explode().to_numpy().reshape(len(labels), -1)
    return np.column_stack([labels["positive_score"].to_numpy(), negatives]).astype(np.float32)


def label(triples: pl.DataFrame, scores: pl.DataFrame) -> Scores:
    """Scores (triples, 1 + negatives): each triple's positive first, then its negatives.

    `scores` has the columns query_id, passage_id, score. Raises ScoreError if a score is missing.
    """
    negatives = _scored(triples.explode("negative_ids"), scores, "negative_ids").reshape(len(triples), -1)
    return np.column_stack([_scored(triples, scores, "positive_id"), negatives])


def write_labels(
    file: Path, triples: Path, ranges: list[QueryRange], scores_of_range: Callable[[QueryRange], pl.DataFrame]
) -> int:
    """Writes the triples, in their order, with `positive_score` and `negative_scores`, and returns their number.

    Memory holds the scores of one range of queries, and four bytes per score of the labels. Raises ScoreError if a
    score is missing.
    """
    numbered = pl.scan_parquet(triples).with_row_index("number")
    labels: Scores | None = None
    for queries in ranges:
        some = queries.of(numbered).collect(engine="streaming")
        scores = label(some, scores_of_range(queries))
        if labels is None:
            total = numbered.select(pl.len()).collect().item()
            labels = np.full((total, scores.shape[1]), np.nan, np.float32)
        labels[some["number"].to_numpy()] = scores
    if labels is None or np.isnan(labels).any():
        raise ScoreError(triples, got="triples without labels", expected="labels for each", remedy="build them again")
    return write_in_pieces(file, _pieces(pl.scan_parquet(triples), labels))


def with_scores(triples: pl.DataFrame, scores: Scores) -> pl.DataFrame:
    """The triples with scores (triples, 1 + negatives) as the columns `positive_score` and `negative_scores`."""
    negatives = pl.Series("negative_scores", np.ascontiguousarray(scores[:, 1:])).arr.to_list()
    return triples.with_columns(pl.Series("positive_score", scores[:, 0]), negatives)


def scored_pairs(labels: pl.LazyFrame) -> pl.LazyFrame:
    """(query_id, passage_id, score) of each positive and negative, as often as triples have the pair."""
    positives = labels.select("query_id", passage_id="positive_id", score="positive_score")
    negatives = labels.explode("negative_ids", "negative_scores").select(
        "query_id", passage_id="negative_ids", score="negative_scores"
    )
    return pl.concat([positives, negatives])


def refuse_conflicts(source: Path | str, labels: pl.LazyFrame, ranges: list[QueryRange]) -> None:
    """Raises ScoreError for a pair whose scores differ by more than half precision and padding explain."""
    for queries in ranges:
        score = pl.col("score")
        pairs = scored_pairs(queries.of(labels)).group_by(KEY).agg(low=score.min(), high=score.max())
        apart = pl.col("high") - pl.col("low") > _TOLERANCE * (1 + pl.max_horizontal(pl.col("low", "high").abs()))
        if len(found := pairs.filter(apart).sort(KEY).head(1).collect(engine="streaming")):
            query, passage, low, high = found.row(0)
            raise ScoreError(
                source,
                got=f"scores from {low:.6g} to {high:.6g} for query '{query}' and passage '{passage}'",
                expected="one score per pair",
                remedy="delete the lines with the wrong score",
            )


def write_in_pieces(file: Path, pieces: Iterable[pl.DataFrame]) -> int:
    """Writes labels that come some at a time, and returns their number."""
    writer, rows = None, 0
    for piece in pieces:
        table = piece.to_arrow()
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
        rows += len(piece)
    if writer:
        writer.close()
    return rows


def _pieces(triples: pl.LazyFrame, labels: Scores) -> Iterator[pl.DataFrame]:
    for start in range(0, len(labels), _ROWS):
        rows = triples.slice(start, _ROWS).collect(engine="streaming")
        yield with_scores(rows, labels[start : start + _ROWS])


def _scored(triples: pl.DataFrame, scores: pl.DataFrame, side: str) -> Scores:
    joined = triples.join(scores, left_on=["query_id", side], right_on=KEY, how="left", maintain_order="left")
    if missing := joined["score"].null_count():
        raise ScoreError(
            "teacher scores",
            got=f"{missing} of {len(joined)} pairs of {side} without a score",
            expected="a score for every pair",
            remedy="build the scores again: dvc repro",
        )
    return joined["score"].to_numpy().astype(np.float32)

"""Runs: ranked passages for queries, as tables and as TREC files."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

import polars as pl
from pydantic import BaseModel

from distilrank.data.ties import SCORE, apart, by_id, by_lot
from distilrank.errors import ScoreError

RUN_SCHEMA = {"query_id": pl.String, "passage_id": pl.String, "score": pl.Float64}
HAS_RANK = SCORE.is_finite().fill_null(False)


class Hit(BaseModel):
    """A passage that was found, and its score: raw, higher is better."""

    passage_id: str
    score: float


def hits(run: pl.DataFrame) -> list[Hit]:
    """The hits of a run of one query, best first. Raises ScoreError as `finite` does."""
    best = ranked(run).select(*Hit.model_fields)
    return [Hit(passage_id=passage_id, score=score) for passage_id, score in best.iter_rows()]


def ranked(run: pl.DataFrame, name: str = "a run") -> pl.DataFrame:
    """Adds `rank`, from 1, by score as float32, best first. Ties go by lot. Raises ScoreError as `finite` does."""
    return by_lot(finite(run, name)).with_columns(rank=pl.int_range(1, pl.len() + 1).over("query_id"))


def as_given(run: pl.DataFrame, name: str = "a run") -> pl.DataFrame:
    """Somebody else's run in trec_eval's order, with tied scores lowered so that the scores alone give that order.

    Raises ScoreError as `finite` does.
    """
    return apart(by_id(finite(run, name)))


def as_listed(run: pl.DataFrame) -> pl.DataFrame:
    """The same by score, but ties keep the order of the table, which still holds the ranking where scores were
    rounded."""
    return apart(run.sort("query_id", SCORE, descending=[False, True], maintain_order=True))


def top(run: pl.DataFrame, depth: int) -> pl.DataFrame:
    return ranked(run).filter(pl.col("rank") <= depth)


def others(run: pl.DataFrame) -> pl.DataFrame:
    """The run without passages that have their query's own id: in ArguAna and Quora, such a passage is the query
    itself."""
    return run.filter(pl.col("query_id") != pl.col("passage_id"))


def found(find: Callable[[int], pl.DataFrame], depth: int, exclude_identical_ids: bool) -> pl.DataFrame:
    """The best `depth` passages per query, as `find(depth)` finds them, without the query's own id if that is
    excluded."""
    return top(others(find(depth + 1)), depth).drop("rank") if exclude_identical_ids else find(depth)


def finite(run: pl.DataFrame, name: str = "a run") -> pl.DataFrame:
    """The run, unchanged. Raises ScoreError for a score that is NaN, or infinite as float32, since it has no rank."""
    wrong = run.filter(~HAS_RANK)
    if len(wrong):
        query_id, passage_id, score = wrong.select(*RUN_SCHEMA).row(0)
        raise ScoreError(
            f"{name}: passage '{passage_id}' of query '{query_id}'",
            got=f"the score {score}",
            expected="a finite number, as a float32",
            remedy="mend the run, or train its ranker again at a lower learning_rate",
        )
    return run


def write_trec(run: pl.DataFrame, path: Path, tag: str, is_of_scores: bool = False) -> None:
    """Writes `query_id Q0 passage_id rank score tag` lines. Scores keep every digit. A name in .gz makes a compressed
    file.

    Scores are made to fall from line to line, so that every reader sees one order. With `is_of_scores`, the scores
    themselves matter and stay as they are. Raises ScoreError.
    """
    with path.open("wb") as file:
        add_trec(run, file, tag, path.suffix == ".gz", is_of_scores)


def add_trec(run: pl.DataFrame, file: BinaryIO, tag: str, is_gzipped: bool = False, is_of_scores: bool = False) -> None:
    """Writes the lines of some queries to an open file."""
    in_order = ranked(run, tag)
    rows = (in_order if is_of_scores else apart(in_order)).select(
        "query_id", pl.lit("Q0").alias("q0"), "passage_id", "rank", "score", pl.lit(tag).alias("tag")
    )
    compression: Literal["gzip", "uncompressed"] = "gzip" if is_gzipped else "uncompressed"
    rows.write_csv(
        file, separator=" ", include_header=False, quote_style="never", compression=compression, check_extension=False
    )


def read_trec(path: Path) -> pl.DataFrame:
    """(query_id, passage_id, score) in trec_eval's order. Raises ScoreError as `finite` does."""
    return as_given(scan_trec(path).select(list(RUN_SCHEMA)).collect(), str(path))


def scan_trec(path: Path) -> pl.LazyFrame:
    """A run, to be read in part, with the `rank` of each passage as in the file."""
    columns = {
        "query_id": pl.String,
        "q0": pl.String,
        "passage_id": pl.String,
        "rank": pl.Int64,
        "score": pl.Float64,
        "tag": pl.String,
    }
    table = pl.scan_csv(path, separator=" ", has_header=False, schema=columns, quote_char=None)
    return table.select(*RUN_SCHEMA, "rank")

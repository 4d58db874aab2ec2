"""Teacher scores as Parquet parts: each pair once, each part whole or absent, so that a killed scoring goes on."""

import os
from pathlib import Path

import numpy as np
import polars as pl

from distilrank.artifacts import built
from distilrank.data.tokens import TokenStore
from distilrank.errors import ScoreError
from distilrank.progress import Advance
from distilrank.rankers.base import Ranker
from distilrank.scoring.pairs import Scores, rerank

KEY = ["query_id", "passage_id"]


def unique_pairs(triples: pl.DataFrame) -> pl.DataFrame:
    """The pairs (query_id, passage_id) of triples, each once, in the order of their ids."""
    sides = [triples.select("query_id", passage_id=side) for side in ("positive_id", "negative_id")]
    return pl.concat(sides).unique().sort(KEY)


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


def triple_scores(triples: pl.DataFrame, scores: pl.DataFrame) -> Scores:
    """Scores (triples, 2): of each triple's positive and of its negative. Raises ScoreError where one is missing."""
    columns = []
    for side in ("positive_id", "negative_id"):
        joined = triples.join(scores, left_on=["query_id", side], right_on=KEY, how="left", maintain_order="left")
        if missing := joined["score"].null_count():
            raise ScoreError(
                "teacher scores",
                got=f"{missing} of {len(triples)} triples without a score for their {side}",
                expected="a score for every pair",
                remedy="build the scores again: dvc repro score",
            )
        columns.append(joined["score"].to_numpy())
    return np.stack(columns, 1).astype(np.float32)


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

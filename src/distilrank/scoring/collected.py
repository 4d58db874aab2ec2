"""The scores that some triples ask for, out of a store: each pair once, as Parquet parts in the order of ids."""

from pathlib import Path

from distilrank.data.query_ranges import QueryRange
from distilrank.errors import ScoreError
from distilrank.scoring.plan import KnownPairs
from distilrank.scoring.scores import KEY
from distilrank.scoring.store import IDENTITY, ScoreStore


def write_scores(directory: Path, known: KnownPairs, ranges: list[QueryRange], store: ScoreStore) -> int:
    """Writes (query_id, passage_id, score), a part a range, and returns their number.

    Raises ScoreError unless each pair has exactly one score.
    """
    total = 0
    for number, queries in enumerate(ranges):
        pairs = known.of(queries).select(list(IDENTITY))
        scores = pairs.join(store.scores(queries), on=list(IDENTITY), how="left", maintain_order="left")
        missing = scores["score"].null_count()
        if missing or len(scores) != len(pairs):
            raise ScoreError(
                store.directory,
                got=f"{len(scores)} scores, {missing} of the pairs without one",
                expected=f"{len(pairs)} scores, one a pair",
                remedy="delete the directory, to score anew",
            )
        scores.select(*KEY, "score").write_parquet(directory / f"part-{number:05}.parquet")
        total += len(scores)
    return total

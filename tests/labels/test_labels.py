"""Labels: each triple with its own scores, or an error that counts what is missing."""

import polars as pl
import pytest

from distilrank.errors import ScoreError
from distilrank.labels.labels import label, scores_of, with_scores

TRIPLES = pl.DataFrame(
    {"query_id": ["q", "r", "q"], "positive_id": ["a", "a", "a"], "negative_ids": [["b", "c"], ["c", "d"], ["d", "b"]]}
)


def scores(**by_pair: float) -> pl.DataFrame:
    rows = [(pair[0], pair[1], score) for pair, score in by_pair.items()]
    return pl.DataFrame(rows, schema=["query_id", "passage_id", "score"], orient="row")


def test_a_triple_gets_the_scores_of_its_own_pairs() -> None:
    own = label(TRIPLES, scores(rd=7, qa=1, qc=3, rc=6, qb=2, ra=5, qd=4))
    assert own.tolist() == [[1, 2, 3], [5, 6, 7], [1, 4, 2]]
    labels = with_scores(TRIPLES, own)
    assert scores_of(labels).tolist() == own.tolist()
    assert labels.select(TRIPLES.columns).equals(TRIPLES)


def test_pairs_without_a_score_are_an_error_that_counts_them() -> None:
    with pytest.raises(ScoreError, match="2 of 6 pairs of negative_ids without a score"):
        label(TRIPLES, scores(qa=1, qc=3, rc=6, ra=5, rd=7, qd=4))
    with pytest.raises(ScoreError, match="1 of 3 pairs of positive_id without a score"):
        label(TRIPLES, scores(qa=1, qb=2, qc=3, rc=6, rd=7, qd=4))

"""Triples of queries without qrels, from a teacher's scores of their candidates."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distilrank.labels.pseudo_labels import Thresholds, triples_from_scores
from distilrank.sections.data import Unlabelled

LABELS = pl.LazyFrame(
    {
        "positive_score": [0.0, 1.0, 2.0, 3.0, 4.0],
        "negative_scores": [[-3.0, -2.0], [-1.0, 0.0], [5.0, 1.0]] + [[0.0]] * 2,
    }
)
SCORES = pl.DataFrame(
    [("q", "p1", 3.0), ("q", "p2", 5.0), ("q", "p3", -1.0), ("q", "p4", -2.0), ("q", "p5", 1.0), ("r", "p1", -5.0),
     ("r", "p2", -6.0), ("s", "p1", 9.0)],
    schema={"query_id": pl.String, "passage_id": pl.String, "score": pl.Float32}, orient="row",
)  # fmt: skip


def params(triples: int = 2, seed: int = 1) -> Unlabelled:
    return Unlabelled(depth=5, triples=triples, positive_from=0.5, negative_to=0.75, seed=seed)


def test_thresholds_are_the_scores_that_shares_of_the_labelled_reach() -> None:
    """Half of the positives score 2 or more; of the negatives -3 -2 -1 0 0 0 1 5, three quarters score 0 or less."""
    found = Thresholds.of(LABELS, params())
    assert found.positive_from == 2.0
    assert 0.0 <= found.negative_to <= 1.0
    stricter = params().model_copy(update={"positive_from": 0.2, "negative_to": 0.25})
    assert Thresholds.of(LABELS, stricter).positive_from > 2.0
    assert Thresholds.of(LABELS, stricter).negative_to < 0.0


def test_the_best_passages_meet_different_negatives() -> None:
    found = triples_from_scores(SCORES, Thresholds(2.0, 0.0), params(), negatives=1)
    assert found["query_id"].to_list() == ["q", "q"]  # r has no positive, s no negative
    assert found["positive_id"].to_list() == ["p2", "p1"]
    assert found["positive_score"].to_list() == [5.0, 3.0]
    assert sorted(found["negative_ids"].explode()) == ["p3", "p4"]
    assert sorted(found["negative_scores"].explode()) == [-2.0, -1.0]


def test_several_negatives_a_triple_leave_fewer_triples() -> None:
    found = triples_from_scores(SCORES, Thresholds(2.0, 0.0), params(), negatives=2)
    assert found.select("query_id", "positive_id").rows() == [("q", "p2")]
    assert sorted(found["negative_ids"][0]) == ["p3", "p4"]
    assert triples_from_scores(SCORES, Thresholds(2.0, 0.0), params(), negatives=3).is_empty()


@given(
    scores=st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=12),
    positive_from=st.floats(-5, 5), negative_to=st.floats(-5, 5), triples=st.integers(1, 4), seed=st.integers(0, 9),
)  # fmt: skip
def test_a_positive_scores_higher_than_its_negatives_whatever_the_thresholds(
    scores: list[float], positive_from: float, negative_to: float, triples: int, seed: int
) -> None:
    table = pl.DataFrame(
        {
            "query_id": ["q"] * len(scores),
            "passage_id": [f"p{number}" for number in range(len(scores))],
            "score": scores,
        },
        schema=SCORES.schema,
        orient="row",
    )
    found = triples_from_scores(table, Thresholds(positive_from, negative_to), params(triples, seed), negatives=1)
    assert len(found) <= triples
    assert (found["positive_score"] >= positive_from).all()
    assert (found["negative_scores"].explode() <= negative_to).all()
    assert (found["positive_score"] > found["negative_scores"].list.first()).all()
    assert found["positive_id"].is_unique().all()
    assert found["negative_ids"].explode().is_unique().all()
    assert found.equals(
        triples_from_scores(table, Thresholds(positive_from, negative_to), params(triples, seed), negatives=1)
    )


def test_what_was_clicked_is_relevant_unless_the_teacher_takes_it_for_what_is_not() -> None:
    """p5 scores too low for a positive, and is believed; p3 scores as negatives do, and is not. Without clicks p2 and
    p1 would be q's positives."""
    clicks = pl.DataFrame([("q", "p5"), ("q", "p3"), ("s", "p9")], schema=["query_id", "passage_id"], orient="row")
    found = triples_from_scores(SCORES, Thresholds(2.0, 0.0), params(), negatives=1, clicks=clicks)
    assert found.select("query_id", "positive_id").rows() == [("q", "p5")]
    assert found["negative_ids"][0].to_list()[0] in ("p3", "p4")
    # Queries without clicks are as they were.
    others = clicks.filter(pl.col("query_id") == "s")
    without = triples_from_scores(SCORES, Thresholds(2.0, 0.0), params(), negatives=1)
    assert triples_from_scores(SCORES, Thresholds(2.0, 0.0), params(), negatives=1, clicks=others).equals(without)


def test_share_one_is_no_threshold() -> None:
    with pytest.raises(ValueError, match="less than 1"):
        Unlabelled(depth=5, triples=1, positive_from=1.0, negative_to=0.5, seed=1)

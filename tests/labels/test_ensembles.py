"""Ensembles: what members' scores become together, and that no pair is ever averaged over fewer of them."""

import numpy as np
import polars as pl
import pytest

from distilrank.errors import ScoreError
from distilrank.labels.ensembles import combine as combine_range
from distilrank.labels.ensembles import scale_of

RAW = {"A": [1.0, 2.0, 6.0], "B": [10.0, 40.0, 10.0], "C": [-3.0, 0.0, 3.0]}


def store(scores: list[float]) -> pl.DataFrame:
    passages = ["a", "b", "c"][: len(scores)]
    return pl.DataFrame({"query_id": ["q"] * len(scores), "passage_id": passages, "score": scores})


def combine(members: dict[str, pl.DataFrame], how: str) -> pl.DataFrame:
    """As the stage does, with all queries at once."""
    scales = {name: scale_of(name, scores.lazy()) for name, scores in members.items()} if how == "z-mean" else {}
    return combine_range(members, how, scales)


MEMBERS = {name: store(scores) for name, scores in RAW.items()}


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", [8 / 3, 14.0, 19 / 3]),
        ("median", [1.0, 2.0, 6.0]),
        # By numpy: each member less its mean, over its standard deviation (of a sample).
        ("z-mean", np.mean([(np.array(raw) - np.mean(raw)) / np.std(raw, ddof=1) for raw in RAW.values()], axis=0)),
    ],
)
def test_each_way_of_combining(how: str, expected: list[float]) -> None:
    combined = combine(MEMBERS, how)
    np.testing.assert_allclose(combined["score"].to_numpy(), expected, rtol=1e-6)
    assert combined.schema["score"] == pl.Float32


def test_the_order_of_rows_and_members_does_not_matter() -> None:
    turned = {name: MEMBERS[name].reverse() for name in reversed(MEMBERS)}
    assert combine(turned, "mean").equals(combine(MEMBERS, "mean"))


@pytest.mark.parametrize("how", ["mean", "z-mean", "median"])
def test_a_pair_that_a_member_has_not_scored_is_an_error_that_counts(how: str) -> None:
    with pytest.raises(ScoreError, match=r"ensemble member B: got \d of 3 pairs without a score"):
        combine(MEMBERS | {"B": store([1.0, 2.0]).head(2 if how == "z-mean" else 1)}, how)


def test_as_many_pairs_but_others_are_an_error_too() -> None:
    others = store([1.0, 2.0, 3.0]).with_columns(query_id=pl.Series(["q", "q", "r"]))
    with pytest.raises(ScoreError, match="1 of 4 pairs without a score"):
        combine(MEMBERS | {"B": others}, "mean")


def test_a_member_that_scored_one_pair_twice_and_another_never_is_an_error() -> None:
    doubled = store([1.0, 2.0, 3.0]).with_columns(passage_id=pl.Series(["a", "a", "c"]))
    with pytest.raises(ScoreError, match="ensemble member B: got 1 of 3 pairs without a score"):
        combine(MEMBERS | {"B": doubled}, "mean")
    more = pl.concat([MEMBERS["B"], MEMBERS["B"].head(1)])
    with pytest.raises(ScoreError, match="got 4 scores for 3 pairs"):
        combine(MEMBERS | {"B": more}, "mean")


def test_a_member_whose_scores_all_tie_cannot_be_normalised() -> None:
    with pytest.raises(ScoreError, match="ensemble member B: got scores that all tie"):
        combine(MEMBERS | {"B": store([2.0, 2.0, 2.0])}, "z-mean")
    assert combine(MEMBERS | {"B": store([2.0, 2.0, 2.0])}, "mean")["score"].is_finite().all()

"""Ensembles: what members' scores become together, and that no pair is ever averaged over fewer of them."""

from typing import Literal

import numpy as np
import polars as pl
import pytest

from distilrank.errors import ScoreError
from distilrank.labels.ensembles import combine as combine_range
from distilrank.labels.scales import scale_of
from distilrank.sections.labels import ScaleRule

RAW = {"A": [1.0, 2.0, 6.0], "B": [10.0, 40.0, 10.0], "C": [-3.0, 0.0, 3.0]}


def store(scores: list[float]) -> pl.DataFrame:
    passages = ["a", "b", "c"][: len(scores)]
    return pl.DataFrame({"query_id": ["q"] * len(scores), "passage_id": passages, "score": scores})


def combine(members: dict[str, pl.DataFrame], how: Literal["mean", "median"], rule: ScaleRule = "none") -> pl.DataFrame:
    """As the stage does, with all queries at once."""
    scales = {name: scale_of(name, rule, [scores]) for name, scores in members.items()}
    return combine_range(members, how, scales)


MEMBERS = {name: store(scores) for name, scores in RAW.items()}


@pytest.mark.parametrize(
    ("how", "rule", "expected"),
    [
        ("mean", "none", [8 / 3, 14.0, 19 / 3]),
        ("median", "none", [1.0, 2.0, 6.0]),
        ("mean", "rank", [1 / 12, 2 / 3, 3 / 4]),
        # By numpy: each member less its mean, over its standard deviation (of a sample).
        ("mean", "z", np.mean([(np.array(raw) - np.mean(raw)) / np.std(raw, ddof=1) for raw in RAW.values()], axis=0)),
    ],
)
def test_each_way_of_combining(how: Literal["mean", "median"], rule: ScaleRule, expected: list[float]) -> None:
    combined = combine(MEMBERS, how, rule)
    np.testing.assert_allclose(combined["score"].to_numpy(), expected, rtol=1e-6)
    assert combined.schema["score"] == pl.Float32


def test_weights_are_shares_of_their_sum() -> None:
    scales = {name: scale_of(name, "none", [scores]) for name, scores in MEMBERS.items()}
    combined = combine_range(MEMBERS, "mean", scales, {"A": 1.0, "B": 3.0, "C": 0.0})
    assert combined["score"].to_list() == [(1 + 30) / 4, (2 + 120) / 4, (6 + 30) / 4]
    alike = combine_range(MEMBERS, "mean", scales, dict.fromkeys(MEMBERS, 2.0))
    np.testing.assert_allclose(alike["score"], combine(MEMBERS, "mean")["score"], rtol=1e-6)


def test_the_order_of_rows_and_members_does_not_matter() -> None:
    turned = {name: MEMBERS[name].reverse() for name in reversed(MEMBERS)}
    assert combine(turned, "mean").equals(combine(MEMBERS, "mean"))


@pytest.mark.parametrize("rule", ["none", "z", "min-max", "rank"])
def test_a_pair_that_a_member_has_not_scored_is_an_error_that_counts(rule: ScaleRule) -> None:
    with pytest.raises(ScoreError, match=r"ensemble member B: got 1 of 3 pairs without a score"):
        combine(MEMBERS | {"B": store([1.0, 2.0])}, "mean", rule)


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


@pytest.mark.parametrize("rule", ["z", "min-max"])
def test_scores_that_all_tie_have_no_scale(rule: ScaleRule) -> None:
    with pytest.raises(ScoreError, match=f"scores of B: got scores that are all equal, .* the scale {rule}"):
        combine(MEMBERS | {"B": store([2.0, 2.0, 2.0])}, "mean", rule)
    assert combine(MEMBERS | {"B": store([2.0, 2.0, 2.0])}, "mean")["score"].is_finite().all()

"""Figures of labels, worked out by hand and by scipy."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from distilrank.errors import ScoreError
from distilrank.labels.quality import agreement, quality, refuse_inverted


def labels(*rows: tuple[str, str, list[str], float, list[float]]) -> pl.LazyFrame:
    columns = ["query_id", "positive_id", "negative_ids", "positive_score", "negative_scores"]
    return pl.DataFrame(rows, schema=columns, orient="row").lazy()


ONE = labels(("q", "a", ["b", "c"], 5.0, [1.0, 6.0]), ("r", "a", ["b", "d"], 2.0, [2.0, 0.0]))
OTHER = labels(("q", "a", ["b", "c"], 50.0, [10.0, 20.0]), ("r", "a", ["b", "d"], 1.0, [3.0, 0.0]))


def test_the_share_of_negative_margins_counts_each_negative() -> None:
    """Margins 4, -1, 0, 2: one of four is negative, and a tie is not."""
    figures = quality({"T": ONE})["teachers"]["T"]
    assert figures["negative_margins"] == 0.25
    assert figures["triples"] == 2
    assert figures["margin"] == {"mean": 1.25, "deviation": pytest.approx(np.std([4, -1, 0, 2], ddof=1))}
    assert figures["positive"]["mean"] == 3.5
    assert figures["negative"]["mean"] == 2.25


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=30))
def test_every_margin_is_in_the_histogram(margins: list[float]) -> None:
    rows = [(f"q{number}", "p", ["n"], margin, [0.0]) for number, margin in enumerate(margins)]
    histogram = quality({"T": labels(*rows)})["teachers"]["T"]["histogram"]
    assert sum(histogram["counts"]) == len(margins)
    assert len(histogram["edges"]) == len(histogram["counts"]) + 1
    assert histogram["edges"] == sorted(histogram["edges"])


def test_agreement_is_kendalls_tau_by_query() -> None:
    expected = [
        kendalltau([5, 1, 6], [50, 10, 20]).statistic,
        kendalltau([2, 2, 0], [1, 3, 0]).statistic,
    ]
    figures = agreement(ONE, OTHER)
    assert figures["tau"] == pytest.approx(np.mean(expected))
    assert figures["queries"] == 2
    # (+, -, 0, +) and (+, +, -, +)
    assert figures["same_order"] == 0.5
    assert figures["triples"] == 4


def test_a_teacher_agrees_with_itself_and_not_with_its_opposite() -> None:
    opposite = ONE.with_columns(-pl.col("positive_score"), pl.col("negative_scores").list.eval(-pl.element()))
    assert agreement(ONE, ONE)["tau"] == pytest.approx(1)
    assert agreement(ONE, opposite)["tau"] == pytest.approx(-1)


def test_teachers_of_other_queries_are_not_compared() -> None:
    elsewhere = labels(("z", "a", ["b"], 1.0, [0.0]))
    assert quality({"T": ONE, "U": elsewhere}, [("T", "U")])["agreement"] == []


def test_too_many_negative_margins_are_refused() -> None:
    refuse_inverted("T", ONE, 0.25)
    with pytest.raises(ScoreError, match=r"labels of T: got 25.0% of margins negative, expected at most 24.0%"):
        refuse_inverted("T", ONE, 0.24)

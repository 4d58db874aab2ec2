"""Paired tests, their correction and intervals: by figures worked out by hand, and by scipy's own tests."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm, permutation_test, ttest_rel

from distilrank.evaluation.significance import (
    Values,
    confidence_interval,
    confidence_intervals,
    holm,
    non_inferior_p_value,
    paired_p_value,
    randomised_p_value,
    randomised_p_values,
)

# Differences 0, 1, 2, 3, 4: mean 2, standard error sqrt(2.5 / 5) = .7071; four degrees of freedom.
VALUES, OTHERS = np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 1, 1, 1, 1])
# Of Student's t with four degrees of freedom, beyond 2.132: 5 % (any table).
ONE_SIDED_5_PERCENT = 2.131847


@pytest.fixture
def many() -> tuple[Values, Values]:
    """Four hundred queries, as nDCG has them."""
    random = np.random.default_rng(4)
    values = random.random(400)
    return values, np.clip(values + random.normal(0.02, 0.2, 400), 0, 1)


def test_not_worse_by_more_than_the_margin() -> None:
    # (mean + margin) / error = 2.131847 needs a margin of 2.131847 * .707107 - 2 = -.49256.
    margin = ONE_SIDED_5_PERCENT * np.sqrt(0.5) - 2
    assert non_inferior_p_value(VALUES, OTHERS, margin) == pytest.approx(0.05, abs=1e-6)
    assert non_inferior_p_value(OTHERS, VALUES, 2.0) == pytest.approx(0.5)


def test_a_wider_margin_is_more_easily_kept() -> None:
    assert non_inferior_p_value(OTHERS, VALUES, 5) < 0.05 < non_inferior_p_value(OTHERS, VALUES, 3)


def test_the_same_difference_for_all_queries() -> None:
    assert non_inferior_p_value(VALUES, VALUES, 0.01) == 0
    assert non_inferior_p_value(VALUES - 1, VALUES, 0.5) == 1
    assert paired_p_value(VALUES - 1, VALUES) == 0
    # Two of the 32 exchanges of five: none, and all.
    assert randomised_p_value(VALUES - 1, VALUES) == 2 / 32


def test_the_t_test_is_two_sided(many: tuple[Values, Values]) -> None:
    twice = 2 * non_inferior_p_value(VALUES, OTHERS, 0)
    assert paired_p_value(VALUES, OTHERS) == pytest.approx(twice)
    assert paired_p_value(*many) == pytest.approx(ttest_rel(*many).pvalue)


def test_no_difference_at_all_is_no_evidence() -> None:
    assert paired_p_value(VALUES, VALUES) == randomised_p_value(VALUES, VALUES) == 1
    assert confidence_interval(VALUES, VALUES) == (0, 0)


def test_few_queries_are_exchanged_in_every_way() -> None:
    # 0, 1, 2, 3, 4 sum to 10; but for the zero, only all plus or all minus do: 2 * 2 of the 32.
    assert randomised_p_value(VALUES, OTHERS) == 4 / 32
    differences = np.array([0.4, -0.1, 0.3, 0.2, -0.05, 0.0, 0.6])
    sums = [abs(np.dot(signs, differences)) for signs in product((1, -1), repeat=7)]
    expected = np.mean([one >= differences.sum() - 1e-12 for one in sums])
    assert randomised_p_value(differences, np.zeros(7)) == expected


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=2, max_size=10))
def test_exchanged_in_every_way_is_what_scipy_has(pairs: list[tuple[int, int]]) -> None:
    values, others = (np.array(column) / 8 for column in zip(*pairs, strict=True))
    tried = permutation_test(
        (values, others), lambda a, b, axis: np.mean(a - b, axis), permutation_type="samples", vectorized=True
    )
    assert randomised_p_value(values, others) == pytest.approx(tried.pvalue)


def test_many_queries_are_exchanged_by_draws_that_are_always_the_same(many: tuple[Values, Values]) -> None:
    p_value = randomised_p_value(*many)
    assert p_value == pytest.approx(ttest_rel(*many).pvalue, abs=0.01)
    assert randomised_p_value(*many) == p_value
    # What was observed is one of the draws: no p is 0.
    assert randomised_p_value(many[0] + 1, many[0]) == 1 / 10_001


def test_holm_by_hand() -> None:
    # In order .005 * 4, .01 * 3, .03 * 2, .04 * 1, of which none falls below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1, 1]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_corrected_p_is_no_smaller_and_bonferronis_no_smaller_than_it(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for before, after in zip(p_values, corrected, strict=True):
        assert before <= after <= min(1, before * len(p_values)) + 1e-12
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.asarray(corrected)[order]) >= 0)


def test_the_interval_of_many_queries_is_about_that_of_the_normal_distribution(many: tuple[Values, Values]) -> None:
    differences = many[0] - many[1]
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    wanted = differences.mean() + norm.ppf([0.025, 0.975]) * error
    assert confidence_interval(*many) == pytest.approx(wanted, abs=0.05 * error)
    assert confidence_interval(*many) == confidence_interval(*many)


def test_many_comparisons_at_once_are_as_one_by_one(many: tuple[Values, Values]) -> None:
    """Few queries, exchanged in every way, and many, of which exchanges are drawn."""
    columns = np.stack([many[0] - many[1], many[1], many[0] - many[0].mean()], axis=1)
    for differences in (columns[:9], columns):
        alone = [(randomised_p_value(one, one * 0), confidence_interval(one, one * 0)) for one in differences.T]
        together = zip(randomised_p_values(differences), confidence_intervals(differences), strict=True)
        for (p_value, interval), (p_together, interval_together) in zip(alone, together, strict=True):
            assert p_together == p_value
            assert interval_together == pytest.approx(interval)


def test_intervals_are_scipys_percentile_bootstrap_but_for_the_draws(many: tuple[Values, Values]) -> None:
    differences = many[0] - many[1]
    theirs = bootstrap((differences,), np.mean, n_resamples=10_000, method="percentile", rng=1, batch=1000)
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    assert confidence_interval(*many) == pytest.approx(tuple(theirs.confidence_interval), abs=0.06 * error)

"""Paired tests, by figures worked out by hand."""

import numpy as np
import pytest

from distilrank.evaluation.significance import non_inferior_p_value, paired_p_value

# Differences 0, 1, 2, 3, 4: mean 2, standard error sqrt(2.5 / 5) = .7071; four degrees of freedom.
VALUES, OTHERS = np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 1, 1, 1, 1])
# Of Student's t with four degrees of freedom, beyond 2.132: 5 % (any table).
ONE_SIDED_5_PERCENT = 2.131847


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


def test_both_sides() -> None:
    twice = 2 * non_inferior_p_value(VALUES, OTHERS, 0)
    assert paired_p_value(VALUES, OTHERS) == pytest.approx(twice)
    assert paired_p_value(VALUES, VALUES) == 1

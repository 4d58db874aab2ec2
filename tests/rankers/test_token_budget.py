"""The search for the fastest batches, on devices whose speed is a known function of the batch."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distilrank.rankers.token_budget import fastest_budget

USUAL = 65_536


def peak_at(best: int) -> Callable[[int], float]:
    """Tokens per second of a device that is fastest at `best` tokens per batch."""
    return lambda budget: 1e6 * min(budget / best, best / budget)


@pytest.mark.parametrize("best", [USUAL // 8, USUAL // 2, USUAL, 2 * USUAL, 4 * USUAL])
def test_the_fastest_budget_is_found_in_either_direction(best: int) -> None:
    assert fastest_budget(peak_at(best), USUAL) == best


def test_a_budget_is_not_changed_for_a_gain_within_noise() -> None:
    assert fastest_budget(lambda budget: 1e6 + budget / USUAL, USUAL) == USUAL


@pytest.mark.parametrize("fits", [USUAL // 16, USUAL, 2 * USUAL])
def test_batches_that_do_not_fit_the_card_are_not_chosen(fits: int) -> None:
    def rate(budget: int) -> float:
        if budget > fits:
            raise torch.OutOfMemoryError
        return float(budget)

    assert fastest_budget(rate, USUAL) == fits


@given(st.lists(st.floats(1, 16), min_size=60, max_size=60))
def test_other_programs_mislead_the_search_by_no_more_than_they_slow_it(slowdowns: list[float]) -> None:
    """A card that shares its time waits for its processor in small batches. A search that starts from the smallest
    batch, and ends at the first that is slower, may stay there."""
    loads = iter(slowdowns)
    alone = peak_at(USUAL)

    chosen = fastest_budget(lambda budget: alone(budget) / next(loads), USUAL)

    assert alone(chosen) >= alone(USUAL) / 16

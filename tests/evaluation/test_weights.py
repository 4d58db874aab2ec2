"""The search of weights: the best of the simplex, never worse than a member, and as even as may be."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distilrank.evaluation.weights import tuned_weights


def near(wanted: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return -sum((weights[name] - wanted[name]) ** 2 for name in wanted)


@pytest.mark.parametrize(
    "wanted",
    [{"a": 0.35, "b": 0.65}, {"a": 0.1, "b": 0.3, "c": 0.6}, {"a": 0.2, "b": 0.2, "c": 0.2, "d": 0.4, "e": 0.0}],
)
def test_it_finds_a_peak_on_its_grid(wanted: dict[str, float]) -> None:
    tuned = tuned_weights(list(wanted), lambda weights: near(wanted, weights))
    assert tuned.weights == pytest.approx(wanted)
    assert tuned.value == pytest.approx(0)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_it_is_never_worse_than_a_member_or_than_all_alike(peaks: list[float]) -> None:
    members = [f"m{number}" for number in range(len(peaks))]
    tuned = tuned_weights(members, lambda weights: max(w * p for w, p in zip(weights.values(), peaks, strict=True)))
    assert tuned.value >= max(tuned.alone.values())
    assert tuned.alone == pytest.approx(dict(zip(members, peaks, strict=True)))
    assert sum(tuned.weights.values()) == pytest.approx(1)


def test_where_weights_change_nothing_none_is_left_out() -> None:
    for number in (2, 4, 5):
        tuned = tuned_weights([f"m{one}" for one in range(number)], lambda _: 0.5)
        assert set(tuned.weights.values()) == {1 / number} if number != 4 else {0.2, 0.3}


@pytest.mark.parametrize("number", range(2, 12))
def test_many_members_are_searched_in_bounded_time(number: int) -> None:
    tried: list[tuple[float, ...]] = []

    def effectiveness(weights: Mapping[str, float]) -> float:
        tried.append(tuple(weights.values()))
        return 0.0

    tuned_weights([f"m{one}" for one in range(number)], effectiveness)
    assert len(tried) <= 301
    assert sum(max(weights) == 1 for weights in tried) == number
    assert all(sum(weights) == pytest.approx(1) for weights in tried)

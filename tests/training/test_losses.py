"""Losses against values worked out by hand, and the properties that the papers give them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distilrank.training.losses import LOSSES, MarginMSE, RankNet

scores = st.lists(st.tuples(*[st.floats(-50, 50, width=32)] * 2), min_size=1, max_size=8)


def test_margin_mse_by_hand() -> None:
    student = torch.tensor([[2.0, 1.0], [0.5, 3.0]])
    teacher = torch.tensor([[10.0, 6.0], [1.0, 2.0]])
    # margins 1 and -2.5 against 4 and -1: (9 + 2.25) / 2
    assert MarginMSE()(student, teacher).item() == pytest.approx(5.625)


def test_ranknet_by_hand() -> None:
    student = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(2))) / 2
    assert RankNet()(student).item() == pytest.approx(expected)


def test_ranknet_of_several_negatives_is_the_mean_over_them() -> None:
    group = RankNet()(torch.tensor([[1.0, 0.0, 3.0]]))
    apart = [RankNet()(torch.tensor([[1.0, negative]])) for negative in (0.0, 3.0)]
    assert group.item() == pytest.approx(torch.stack(apart).mean().item())


@given(scores, st.floats(-100, 100), st.floats(-100, 100))
def test_margin_mse_ignores_where_each_ranker_puts_its_zero(
    pairs: list[tuple[float, float]], student_shift: float, teacher_shift: float
) -> None:
    student, teacher = torch.tensor(pairs), torch.tensor(pairs).flip(1)
    shifted = MarginMSE()(student + student_shift, teacher + teacher_shift)
    assert shifted.item() == pytest.approx(MarginMSE()(student, teacher).item(), rel=1e-3, abs=1e-3)


@given(scores)
def test_margin_mse_is_zero_where_the_margins_are_the_teachers(pairs: list[tuple[float, float]]) -> None:
    assert MarginMSE()(torch.tensor(pairs), torch.tensor(pairs) + 7).item() == pytest.approx(0, abs=1e-6)


@given(st.floats(-20, 20, width=32), st.floats(0.125, 20, width=32))
def test_ranknet_falls_as_the_positive_rises(margin: float, rise: float) -> None:
    low, high = torch.tensor([[margin, 0.0]]), torch.tensor([[margin + rise, 0.0]])
    assert RankNet()(high).item() < RankNet()(low).item()


@pytest.mark.parametrize("name", LOSSES)
def test_a_teacher_whose_scores_all_tie_gives_a_finite_loss(name: str) -> None:
    assert torch.isfinite(LOSSES[name](torch.tensor([[3.0, 1.0]]), torch.tensor([[2.0, 2.0]])))


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_scores_without_a_negative_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(queries, 1 \+ negatives\)"):
        RankNet()(torch.zeros(shape))


def test_teacher_scores_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got shape \(2, 1\), expected that of the scores, \(2, 2\)"):
        MarginMSE()(torch.zeros(2, 2), torch.zeros(2, 1))

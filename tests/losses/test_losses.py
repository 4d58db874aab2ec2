"""Losses against values worked out by hand, and the properties that the papers give them."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from distilrank.losses import (
    InfoNCE,
    ListwiseKL,
    LocalisedContrastive,
    Loss,
    MarginMSE,
    MSERankNet,
    PointwiseMSE,
    RankNet,
    WeightedRankNet,
)
from distilrank.losses.table import LOSSES

# As params.yaml has them; a temperature is for those that take one.
EVERY = {
    name: kind(name=name, **({"temperature": 0.5} if "temperature" in kind.model_fields else {}))
    for name, kind in LOSSES.items()
}
TAUGHT = [name for name, loss in EVERY.items() if loss.needs_teacher]
# Two queries with a positive and two negatives each: margins 1 and 2, and -1 and 0, against 2 and 3, and 4 and -2.
STUDENT = torch.tensor([[2.0, 1.0, 0.0], [1.0, 2.0, 1.0]])
TEACHER = torch.tensor([[3.0, 1.0, 0.0], [5.0, 1.0, 7.0]])

values = st.floats(-50, 50, width=32)
groups = st.integers(2, 5).flatmap(lambda width: st.lists(st.lists(values, min_size=width, max_size=width), min_size=1))
two_groups = st.tuples(st.integers(1, 4), st.integers(2, 5)).flatmap(
    lambda shape: st.tuples(*[st.lists(values, min_size=math.prod(shape), max_size=math.prod(shape))] * 2).map(
        lambda pair: (torch.tensor(pair[0]).view(shape), torch.tensor(pair[1]).view(shape))
    )
)


def softplus(value: float) -> float:
    return math.log(1 + math.exp(value))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # differences of the margins 1, 1, 5, 2
        (MarginMSE(), (1 + 1 + 25 + 4) / 4),
        # differences of the scores 1, 0, 0, 4, 1, 6
        (PointwiseMSE(), (1 + 0 + 0 + 16 + 1 + 36) / 6),
        (RankNet(), (softplus(-1) + softplus(-2) + softplus(1) + softplus(0)) / 4),
        # the teacher's margin -2 counts as 0
        (WeightedRankNet(), (2 * softplus(-1) + 3 * softplus(-2) + 4 * softplus(1) + 0) / 4),
        (MSERankNet(), 54 / 6 + (softplus(-1) + softplus(-2) + softplus(1) + softplus(0)) / 4),
    ],
    ids=["margin-mse", "mse", "ranknet", "weighted-ranknet", "mse-ranknet"],
)
def test_by_hand(loss: Loss, expected: float) -> None:
    assert loss(STUDENT, TEACHER).item() == pytest.approx(expected)


def test_listwise_kl_by_hand() -> None:
    # At T = 2 the teacher's odds are 4 to 1, and the student's even.
    student, teacher = torch.tensor([[1.0, 1.0]]), torch.tensor([[2 * math.log(4), 0.0]])
    expected = 4 * (0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5))
    assert ListwiseKL(temperature=2.0)(student, teacher).item() == pytest.approx(expected)
    twice = ListwiseKL(temperature=2.0)(student.repeat(2, 1), teacher.repeat(2, 1))
    assert twice.item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", [InfoNCE(temperature=0.5), LocalisedContrastive(temperature=0.5)], ids=str)
def test_contrastive_losses_by_hand(loss: Loss) -> None:
    # At T = 0.5 the positive's odds are 3 to 1 and 1 in the first row, 1 to 2 in the second.
    scores = torch.tensor([[0.5 * math.log(3), 0.0, 0.0], [0.0, 0.5 * math.log(2), -math.inf]])
    assert loss(scores).item() == pytest.approx((math.log(5 / 3) + math.log(3)) / 2)


@given(two_groups, st.integers(-64, 64), st.integers(-64, 64))
def test_margin_mse_and_listwise_kl_ignore_where_each_ranker_puts_its_zero(
    pair: tuple[Tensor, Tensor], student_shift: int, teacher_shift: int
) -> None:
    student, teacher = pair
    for loss in (MarginMSE(), ListwiseKL(temperature=2.0)):
        shifted = loss(student + student_shift, teacher + teacher_shift)
        assert shifted.item() == pytest.approx(loss(student, teacher).item(), rel=1e-3, abs=1e-3)


@given(groups)
def test_a_student_that_equals_its_teacher_has_nothing_to_learn(rows: list[list[float]]) -> None:
    for loss in (MarginMSE(), PointwiseMSE(), ListwiseKL(temperature=2.0)):
        assert loss(torch.tensor(rows), torch.tensor(rows)).item() == pytest.approx(0, abs=1e-5)


@given(two_groups)
def test_listwise_kl_and_weighted_ranknet_are_never_negative(pair: tuple[Tensor, Tensor]) -> None:
    assert WeightedRankNet()(*pair).item() >= 0
    assert ListwiseKL(temperature=2.0)(*pair).item() >= -1e-4


@given(values, st.floats(0.125, 50, width=32), values)
def test_weighted_ranknet_is_silent_where_the_teacher_disagrees(score: float, by: float, other: float) -> None:
    student = torch.tensor([[score, other]], requires_grad=True)
    loss = WeightedRankNet()(student, torch.tensor([[0.0, by]]))
    loss.backward()
    assert loss.item() == 0
    assert student.grad is not None
    assert student.grad.tolist() == [[0, 0]]


@given(st.floats(-20, 20, width=32), st.floats(0.125, 20, width=32))
def test_ranknet_and_infonce_fall_as_the_positive_rises(margin: float, rise: float) -> None:
    assume(margin + rise < 14)  # beyond, float32 gives 0
    low, high = torch.tensor([[margin, 0.0]]), torch.tensor([[margin + rise, 0.0]])
    for loss in (RankNet(), InfoNCE(temperature=1.0)):
        assert loss(high).item() < loss(low).item()


@given(two_groups)
def test_several_negatives_count_as_the_mean_over_single_ones(pair: tuple[Tensor, Tensor]) -> None:
    student, teacher = pair
    for loss in (MarginMSE(), RankNet(), WeightedRankNet()):
        apart = [loss(student[:, [0, at]], teacher[:, [0, at]]) for at in range(1, student.shape[1])]
        assert loss(student, teacher).item() == pytest.approx(torch.stack(apart).mean().item(), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("name", TAUGHT)
def test_a_loss_is_free_of_scale_if_the_teachers_scale_turns_no_gradient(name: str) -> None:
    gradients = []
    for times in (1.0, 10.0):
        scores = STUDENT.clone().requires_grad_()
        EVERY[name](scores, TEACHER * times).backward()
        assert scores.grad is not None
        gradients.append(torch.nn.functional.normalize(scores.grad.ravel(), dim=0))
    assert torch.allclose(*gradients, atol=1e-4) == EVERY[name].scale_free


@given(st.lists(values, min_size=2, max_size=5))
def test_infonce_with_one_negative_is_ranknet(row: list[float]) -> None:
    scores = torch.tensor([row])[:, :2]
    assert InfoNCE(temperature=1.0)(scores).item() == pytest.approx(RankNet()(scores).item(), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("queries", [1, 3])
def test_a_teacher_whose_scores_all_tie_gives_a_finite_loss_and_gradients(name: str, queries: int) -> None:
    scores = torch.tensor([[3.0, 1.0, 2.0]]).repeat(queries, 1).requires_grad_()
    loss = EVERY[name](scores, torch.full_like(scores, 2.0))
    loss.backward()
    assert torch.isfinite(loss)
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("name", TAUGHT)
def test_teacher_scores_that_are_not_finite_are_counted_and_refused(name: str) -> None:
    teacher = torch.tensor([[math.nan, 1.0], [math.inf, 2.0]])
    with pytest.raises(ValueError, match=r"got 2 of 4 NaN or infinite, expected finite"):
        EVERY[name](torch.zeros(2, 2), teacher)


@pytest.mark.parametrize("name", TAUGHT)
@pytest.mark.parametrize(("teacher", "got"), [(torch.zeros(2, 1), r"shape \(2, 1\)"), (None, "none")])
def test_teacher_scores_of_another_shape_are_refused(name: str, teacher: Tensor | None, got: str) -> None:
    with pytest.raises(ValueError, match=rf"got {got}, expected the shape of the scores, \(2, 2\)"):
        EVERY[name](torch.zeros(2, 2), teacher)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(3,), (3, 1), (0, 2)])
def test_scores_without_a_query_or_a_negative_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"scores: got shape \(.*\), expected \(queries, 1 \+ negatives\)"):
        EVERY[name](torch.zeros(shape), torch.zeros(shape))


@pytest.mark.parametrize(("kind", "given"), [(ListwiseKL, {}), (InfoNCE, {"temperature": 0.0}), (MarginMSE, {"x": 1})])
def test_params_that_a_loss_does_not_take_are_refused(kind: type[Loss], given: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(given)


def test_a_loss_is_called_by_its_name_and_its_params() -> None:
    assert str(ListwiseKL(temperature=2.0)) == "listwise-kl (temperature 2.0)"
    assert str(MarginMSE()) == "margin-mse"

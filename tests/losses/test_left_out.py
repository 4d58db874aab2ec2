"""Every loss without the passages that -inf leaves out, against the paper's formula in a plain loop."""

import math
from collections.abc import Callable

import pytest
import torch
from tests.losses.test_losses import EVERY
from torch import Tensor

T = 0.5  # the temperature of EVERY
# The scores of a query's positive and of each negative that counts, and the teacher's: two scalars each.
Group = list[tuple[Tensor, Tensor]]


def _pairs(groups: list[Group], of: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> Tensor:
    """The mean over all negatives of all queries."""
    each = [of(s, t, s_other, t_other) for (s, t), *negatives in groups for s_other, t_other in negatives]
    return torch.stack(each).mean()


def _passages(groups: list[Group], of: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    return torch.stack([of(*one) for group in groups for one in group]).mean()


def _softmax(group: Group, which: int) -> list[Tensor]:
    exponentials = [(one[which] / T).exp() for one in group]
    return [one / sum(exponentials) for one in exponentials]


def _contrastive(groups: list[Group]) -> Tensor:
    return torch.stack([-_softmax(group, 0)[0].log() for group in groups]).mean()


def _kl(groups: list[Group]) -> Tensor:
    divergences = [
        sum(t * (t / s).log() for s, t in zip(_softmax(group, 0), _softmax(group, 1), strict=True)) for group in groups
    ]
    return T**2 * torch.stack(divergences).mean()


def _ranknet(groups: list[Group]) -> Tensor:
    return _pairs(groups, lambda s, _, s_other, __: (1 + (s_other - s).exp()).log())


def _mse(groups: list[Group]) -> Tensor:
    return _passages(groups, lambda s, t: (s - t) ** 2)


PLAIN: dict[str, Callable[[list[Group]], Tensor]] = {
    "ranknet": _ranknet,
    "infonce": _contrastive,
    "lce": _contrastive,
    "margin-mse": lambda groups: _pairs(groups, lambda s, t, s_other, t_other: ((s - s_other) - (t - t_other)) ** 2),
    "mse": _mse,
    "weighted-ranknet": lambda groups: _pairs(
        groups, lambda s, t, s_other, t_other: max(t - t_other, torch.zeros(())) * (1 + (s_other - s).exp()).log()
    ),
    "mse-ranknet": lambda groups: _mse(groups) + _ranknet(groups),
    "listwise-kl": _kl,
}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("fraction", [0.0, 0.4])
def test_a_loss_and_its_gradient_are_as_if_what_is_left_out_were_not_there(name: str, fraction: float) -> None:
    """Whatever the teacher gives it; and a query may have no negative left."""
    random = torch.Generator().manual_seed(1)
    scores, teacher = torch.randn(2, 4, 6, generator=random)
    left_out = torch.rand(4, 6, generator=random) < fraction
    left_out[:, 0] = False
    left_out[3, 1:] = fraction > 0
    teacher = teacher.masked_fill(left_out, math.nan)
    by_loss, by_loop = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    loss = EVERY[name](by_loss.masked_fill(left_out, -math.inf), teacher)
    expected = PLAIN[name](
        [
            [(s, t) for s, t, gone in zip(*rows, strict=True) if not gone]
            for rows in zip(by_loop, teacher, left_out, strict=True)
        ]
    )
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(by_loss.grad, by_loop.grad, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_queries_without_a_negative_teach_nothing(name: str) -> None:
    """Where the positive has its teacher's score, which `mse` would learn."""
    scores = torch.tensor([[1.0, -math.inf]], requires_grad=True)
    loss = EVERY[name](scores, torch.tensor([[1.0, 2.0]]))
    loss.backward()
    assert loss.item() == 0
    assert scores.grad is not None
    assert scores.grad.tolist() == [[0, 0]]

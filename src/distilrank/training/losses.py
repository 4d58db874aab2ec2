"""Losses over groups: scores (queries, 1 + negatives), the positive in column 0; a teacher's in the same shape."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor


class Loss(ABC):
    """A scalar for scores (queries, 1 + negatives), at least one query and one negative.

    A loss that learns from a teacher wants its scores in the same shape; the others take None and look at no teacher.
    Raises ValueError for other shapes, and for teacher scores that are not finite.
    """

    # Whether the negatives are all passages of the batch: `in_batch.positive_first` says how they stand.
    in_batch: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, scores: Tensor, teacher: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True)
class TemperedLoss(Loss):
    """A loss over softmax(scores / temperature)."""

    temperature: float


class RankNet(Loss):
    """Mean over the negatives of log(1 + exp(s- - s+)). Needs no teacher.

    Burges et al., ICML 2005, section 3, where the positive is known to belong above the negative.
    """

    def __call__(self, scores: Tensor, teacher: Tensor | None = None) -> Tensor:
        return F.softplus(-margins(scores)).mean()


class MarginMSE(Loss):
    """Mean over the negatives of ((s+ - s-) - (t+ - t-))^2.

    Hofstätter et al., arXiv 2010.02666, equation 8.
    """

    def __call__(self, scores: Tensor, teacher: Tensor | None = None) -> Tensor:
        return F.mse_loss(margins(scores), margins(_checked(teacher, scores)))


class PointwiseMSE(Loss):
    """Mean over the positive and the negatives of (s - t)^2.

    Hofstätter et al., arXiv 2010.02666, with a mean in the place of the sum over the two sides.
    """

    def __call__(self, scores: Tensor, teacher: Tensor | None = None) -> Tensor:
        return F.mse_loss(scores, _checked(teacher, scores))


class WeightedRankNet(Loss):
    """Mean over the negatives of max(t+ - t-, 0) log(1 + exp(s- - s+)).

    Hofstätter et al., arXiv 2010.02666. The weight is 0 where the teacher ranks the negative higher: below
    0 it would reward the student for ever wider margins.
    """

    def __call__(self, scores: Tensor, teacher: Tensor | None = None) -> Tensor:
        weights = margins(_checked(teacher, scores)).clamp(min=0)
        return (weights * F.softplus(-margins(scores))).mean()


class MSERankNet(Loss):
    """The sum of PointwiseMSE and RankNet: the teacher's scores, and the order that the labels give.

    As in matchmaker, the code of the authors of arXiv 2010.02666.
    """

    def __call__(self, scores: Tensor, teacher: Tensor | None = None) -> Tensor:
        return PointwiseMSE()(scores, teacher) + RankNet()(scores)


class ListwiseKL(TemperedLoss):
    """Mean over the queries of T^2 KL(softmax(t / T) || softmax(s / T)), the softmax over a query's passages.

    The distributions are ListNet's top one probabilities (Cao et al., ICML 2007, section 4.2); the temperature, and T^2
    to keep the gradients' scale, are those of Hinton et al., arXiv 1503.02531, section 2.
    """

    def __call__(self, scores: Tensor, teacher: Tensor | None = None) -> Tensor:
        wanted = (_checked(teacher, scores) / self.temperature).log_softmax(1)
        student = (scores / self.temperature).log_softmax(1)
        return F.kl_div(student, wanted, reduction="batchmean", log_target=True) * self.temperature**2


class InfoNCE(TemperedLoss):
    """Mean over the queries of -log softmax(s / T) at the positive. Needs no teacher; -inf counts as no negative.

    van den Oord et al., arXiv 1807.03748, equation 4, with the passages of the whole batch as negatives (Karpukhin et
    al., arXiv 2004.04906, section 3.2).
    """

    in_batch: ClassVar[bool] = True

    def __call__(self, scores: Tensor, teacher: Tensor | None = None) -> Tensor:
        return -(_grouped(scores) / self.temperature).log_softmax(1)[:, 0].mean()


LOSSES: dict[str, type[Loss]] = {
    "ranknet": RankNet,
    "infonce": InfoNCE,
    "margin-mse": MarginMSE,
    "mse": PointwiseMSE,
    "weighted-ranknet": WeightedRankNet,
    "mse-ranknet": MSERankNet,
    "listwise-kl": ListwiseKL,
}


def loss_for(name: str, temperature: float | None) -> Loss:
    """The loss that params.yaml calls `name`; a loss without a temperature ignores it. Raises ValueError."""
    loss = LOSSES[name]
    if not issubclass(loss, TemperedLoss):
        return loss()
    if temperature is None:
        raise ValueError(f"loss {name}: got no temperature, expected one above 0")
    return loss(temperature)


def margins(scores: Tensor) -> Tensor:
    """(queries, negatives): how far each positive stands above each of its negatives. Raises ValueError."""
    return _grouped(scores)[:, :1] - scores[:, 1:]


def _grouped(scores: Tensor) -> Tensor:
    if scores.ndim != 2 or scores.shape[0] < 1 or scores.shape[1] < 2:
        raise ValueError(f"scores: got shape {tuple(scores.shape)}, expected (queries, 1 + negatives)")
    return scores


def _checked(teacher: Tensor | None, scores: Tensor) -> Tensor:
    """The teacher's scores, where they can be compared with the student's."""
    _grouped(scores)
    if teacher is None or teacher.shape != scores.shape:
        got = "none" if teacher is None else f"shape {tuple(teacher.shape)}"
        raise ValueError(f"teacher scores: got {got}, expected the shape of the scores, {tuple(scores.shape)}")
    if unusable := int((~torch.isfinite(teacher)).sum()):
        raise ValueError(f"teacher scores: got {unusable} of {teacher.numel()} NaN or infinite, expected finite ones")
    return teacher

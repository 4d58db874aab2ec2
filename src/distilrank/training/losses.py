"""Losses over groups: scores (queries, 1 + negatives), the positive in column 0."""

from typing import Protocol

import torch.nn.functional as F
from torch import Tensor


class Loss(Protocol):
    """A scalar for the student's scores and the teacher's of the same shape, or None without a teacher."""

    def __call__(self, scores: Tensor, teacher: Tensor | None) -> Tensor: ...


class RankNet:
    """Mean of log(1 + exp(s- - s+)) over the negatives (Burges et al., ICML 2005). Needs no teacher."""

    def __call__(self, scores: Tensor, teacher: Tensor | None = None) -> Tensor:
        return F.softplus(-margins(scores)).mean()


class MarginMSE:
    """Mean of ((s+ - s-) - (t+ - t-))^2 over the negatives (arXiv 2010.02666, equation 8)."""

    def __call__(self, scores: Tensor, teacher: Tensor | None) -> Tensor:
        if teacher is None or teacher.shape != scores.shape:
            got = None if teacher is None else tuple(teacher.shape)
            raise ValueError(f"teacher scores: got shape {got}, expected that of the scores, {tuple(scores.shape)}")
        return F.mse_loss(margins(scores), margins(teacher))


LOSSES: dict[str, Loss] = {"margin-mse": MarginMSE(), "ranknet": RankNet()}


def margins(scores: Tensor) -> Tensor:
    """(queries, negatives): how far each positive stands above each of its negatives."""
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise ValueError(f"scores: got shape {tuple(scores.shape)}, expected (queries, 1 + negatives)")
    return scores[:, :1] - scores[:, 1:]

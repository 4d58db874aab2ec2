"""Losses that learn from a teacher's scores."""

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag

from distilrank.losses.base import Loss, compared, margins, mean
from distilrank.losses.of_labels import RankNet

if TYPE_CHECKING:
    from torch import Tensor


def _word_or_number(scale: object) -> str:
    return "word" if isinstance(scale, str) else "number"


Scale = Annotated[
    Annotated[Literal["fitted"], Tag("word")] | Annotated[float, Field(gt=0), Tag("number")],
    Discriminator(_word_or_number),
]


class TeacherLoss(Loss):
    needs_teacher: ClassVar[bool] = True


class MarginMSE(TeacherLoss):
    """Mean over the negatives of ((s+ - s-) - c (t+ - t-))^2.

    Hofstätter et al., arXiv 2010.02666, equation 8, where c is 1.
    """

    name: Literal["margin-mse"] = "margin-mse"

    scale: Scale = 1.0
    """c: what the teacher's margins are multiplied by. `fitted`: chosen before the first step, so that
    their root mean square is that of the student's first margins, but at least 1."""

    @property
    def fits_scale(self) -> bool:
        return self.scale == "fitted"

    def scaled(self, scale: float) -> Self:
        return self.model_copy(update={"scale": scale})

    @property
    def times(self) -> float:
        """The factor of the teacher's margins. Raises ValueError for a scale that is still to be fitted."""
        if isinstance(self.scale, str):
            raise ValueError("scale: got 'fitted', expected a number, by `scaled`")
        return self.scale

    def __call__(self, scores: "Tensor", teacher: "Tensor | None" = None) -> "Tensor":
        taught, among = compared(scores, teacher)
        return mean((margins(scores, among) - self.times * margins(taught, among)).square())


class PointwiseMSE(TeacherLoss):
    """Mean over the positive and the negatives of (s - t)^2.

    Hofstätter et al., arXiv 2010.02666, with a mean instead of the sum over the two sides.
    """

    reads_scores: ClassVar[bool] = True

    name: Literal["mse"] = "mse"

    def __call__(self, scores: "Tensor", teacher: "Tensor | None" = None) -> "Tensor":
        taught, among = compared(scores, teacher)
        return mean((scores[among] - taught[among]).square())


class WeightedRankNet(TeacherLoss):
    """Mean over the negatives of max(t+ - t-, 0) log(1 + exp(s- - s+)).

    Hofstätter et al., arXiv 2010.02666. The weight is 0 where the teacher ranks the negative higher. A
    negative weight would reward the student for ever wider margins.
    """

    scale_free: ClassVar[bool] = True

    name: Literal["weighted-ranknet"] = "weighted-ranknet"

    def __call__(self, scores: "Tensor", teacher: "Tensor | None" = None) -> "Tensor":
        from torch.nn.functional import softplus

        taught, among = compared(scores, teacher)
        return mean(margins(taught, among).clamp(min=0) * softplus(-margins(scores, among)))


class MSERankNet(TeacherLoss):
    """The sum of `mse` and `ranknet`: it learns the teacher's scores, and the order that the labels give.

    As in matchmaker, the code of the authors of arXiv 2010.02666.
    """

    reads_labels: ClassVar[bool] = True
    reads_scores: ClassVar[bool] = True

    name: Literal["mse-ranknet"] = "mse-ranknet"

    def __call__(self, scores: "Tensor", teacher: "Tensor | None" = None) -> "Tensor":
        return PointwiseMSE()(scores, teacher) + RankNet()(scores)


class ListwiseKL(TeacherLoss):
    """Mean over the queries of T^2 KL(softmax(t / T) || softmax(s / T)), the softmax over a query's passages.

    The distributions are ListNet's top one probabilities (Cao et al., ICML 2007, section 4.2); the temperature, and T^2
    to keep the gradients' scale, are those of Hinton et al., arXiv 1503.02531, section 2.
    """

    name: Literal["listwise-kl"] = "listwise-kl"

    temperature: float = Field(gt=0)
    """T: what scores are divided by."""

    def __call__(self, scores: "Tensor", teacher: "Tensor | None" = None) -> "Tensor":
        from torch.nn.functional import kl_div

        taught, among = compared(scores, teacher)
        left_out = ~among
        wanted = (taught.masked_fill(left_out, -math.inf) / self.temperature).log_softmax(1)
        student = (scores / self.temperature).log_softmax(1)
        # A passage without probability adds nothing. The formula would give 0 times infinity.
        wanted, student = wanted.masked_fill(left_out, 0), student.masked_fill(left_out, 0)
        return kl_div(student, wanted, reduction="batchmean", log_target=True) * self.temperature**2

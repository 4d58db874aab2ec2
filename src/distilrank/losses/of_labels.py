"""Losses that need labels alone."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from distilrank.losses.base import Loss, counted, margins, mean

if TYPE_CHECKING:
    from torch import Tensor


class RankNet(Loss):
    """Mean over the negatives of log(1 + exp(s- - s+)).

    Burges et al., ICML 2005, section 3, where the positive is known to belong above the negative.
    """

    needs_teacher: ClassVar[bool] = False
    reads_labels: ClassVar[bool] = True

    name: Literal["ranknet"] = "ranknet"

    def __call__(self, scores: "Tensor", teacher: "Tensor | None" = None) -> "Tensor":
        from torch.nn.functional import softplus

        return mean(softplus(-margins(scores)))


class _Contrastive(Loss):
    """Mean over the queries of -log softmax(s / T) at the positive."""

    needs_teacher: ClassVar[bool] = False
    reads_labels: ClassVar[bool] = True

    temperature: float = Field(gt=0)
    """T: what scores are divided by."""

    def __call__(self, scores: "Tensor", teacher: "Tensor | None" = None) -> "Tensor":
        counted(scores)
        return -(scores / self.temperature).log_softmax(1)[:, 0].mean()


class InfoNCE(_Contrastive):
    """Mean over the queries of -log softmax(s / T) at the positive, with the passages of the whole batch as negatives.

    van den Oord et al., arXiv 1807.03748, equation 4; Karpukhin et al., arXiv 2004.04906, section 3.2.
    """

    in_batch: ClassVar[bool] = True

    name: Literal["infonce"] = "infonce"


class LocalisedContrastive(_Contrastive):
    """Mean over the queries of -log softmax(s / T) at the positive, with the query's own negatives alone.

    Gao et al., arXiv 2101.08751, section 3.3: meant for several negatives per query. With one it is RankNet of s / T.
    """

    name: Literal["lce"] = "lce"

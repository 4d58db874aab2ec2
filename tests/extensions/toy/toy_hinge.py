"""A toy loss of another package."""

from typing import TYPE_CHECKING, ClassVar, Literal

from distilrank.losses import Loss, margins, mean

if TYPE_CHECKING:
    from torch import Tensor


class Hinge(Loss):
    """Mean of max(0, width - the margin), of labels alone."""

    needs_teacher: ClassVar[bool] = False

    name: Literal["hinge"] = "hinge"
    width: float = 1.0

    def __call__(self, scores: "Tensor", teacher: "Tensor | None" = None) -> "Tensor":
        return mean((self.width - margins(scores)).clamp(min=0))

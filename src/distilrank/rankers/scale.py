"""What the products of a ranker's vectors are multiplied by: cosines alone are too small for a teacher's margins."""

import math

import torch
from torch import Tensor, nn

from distilrank.rankers.params import ScaledParams


class Scale(nn.Module):
    """Multiplies query vectors by the params' scale, given or learned.

    It learns its logarithm, as CLIP does its temperature (arXiv 2103.00020, section 2.4): it stays above 0, and a
    learning rate means the same share of any scale.
    """

    def __init__(self, params: ScaledParams) -> None:
        super().__init__()
        self._given = params.scale
        if params.learn_scale:
            self.logarithm = nn.Parameter(torch.tensor(math.log(params.scale)))

    @property
    def value(self) -> float:
        """What scores are multiplied by."""
        return float(self.logarithm.detach().exp()) if hasattr(self, "logarithm") else self._given

    def forward(self, vectors: Tensor) -> Tensor:
        if hasattr(self, "logarithm"):
            return vectors * self.logarithm.exp()
        # Products of unscaled vectors stay the same to the bit.
        return vectors if self._given == 1 else vectors * self._given

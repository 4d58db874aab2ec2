"""The factor of the products of a ranker's vectors: cosines alone are too small for a teacher's margins."""

import math

import torch
from torch import Tensor, nn

from distilrank.rankers.params import ScaledParams


class Scale(nn.Module):
    """Multiplies query vectors by the scale in the params, which is fixed or learned.

    It learns its logarithm, as CLIP does for its temperature (arXiv 2103.00020, section 2.4). So it stays above 0, and
    a learning rate changes any scale by the same share.
    """

    def __init__(self, params: ScaledParams) -> None:
        super().__init__()
        self._given = params.scale
        if params.learn_scale:
            self.logarithm = nn.Parameter(torch.tensor(math.log(params.scale)))

    @property
    def value(self) -> float:
        """The factor of the scores."""
        return float(self.logarithm.detach().exp()) if hasattr(self, "logarithm") else self._given

    def forward(self, vectors: Tensor) -> Tensor:
        if hasattr(self, "logarithm"):
            return vectors * self.logarithm.exp()
        # Without a scale, products must stay the same to the bit.
        return vectors if self._given == 1 else vectors * self._given

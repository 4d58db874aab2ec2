"""Detects a training that has diverged: a loss that is not finite, or far above its beginning."""

import math
from collections.abc import Sequence

# The number of first losses that define the beginning, and the factor above it that is too much.
_FIRST, _TIMES = 10, 1_000.0


class Diverged(Exception):
    """The loss of a step is unusable. `numbers` are those of its batch's triples."""

    def __init__(self, loss: float, step: int, numbers: Sequence[int]) -> None:
        super().__init__(f"a loss of {loss:.4g} at step {step}")
        self.numbers = list(numbers)


class Divergence:
    """Watches each loss, starting where a training began or continued from a checkpoint."""

    def __init__(self) -> None:
        self._seen, self._highest = 0, 0.0

    def check(self, loss: float, step: int, numbers: Sequence[int]) -> None:
        """Raises Diverged."""
        begun = self._seen >= _FIRST
        if not math.isfinite(loss) or (begun and loss > _TIMES * max(self._highest, 1.0)):
            raise Diverged(loss, step, numbers)
        if not begun:
            self._seen, self._highest = self._seen + 1, max(self._highest, loss)

"""When a training has gone astray: a loss that is not finite, or far above where it began."""

import math
from collections.abc import Sequence

# How many losses tell where a training began, and how far above these one is too far.
_FIRST, _TIMES = 10, 1_000.0


class Diverged(Exception):
    """The loss of a step is unusable; `numbers` are those of its batch's triples."""

    def __init__(self, loss: float, step: int, numbers: Sequence[int]) -> None:
        super().__init__(f"a loss of {loss:.4g} at step {step}")
        self.numbers = list(numbers)


class Divergence:
    """Looks at each loss from where a training began, or went on from a checkpoint."""

    def __init__(self) -> None:
        self._seen, self._highest = 0, 0.0

    def check(self, loss: float, step: int, numbers: Sequence[int]) -> None:
        """Raises Diverged."""
        begun = self._seen >= _FIRST
        if not math.isfinite(loss) or (begun and loss > _TIMES * max(self._highest, 1.0)):
            raise Diverged(loss, step, numbers)
        if not begun:
            self._seen, self._highest = self._seen + 1, max(self._highest, loss)

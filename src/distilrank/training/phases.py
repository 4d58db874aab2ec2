"""The phases of a training: the steps of its loss and, before them, those of a loss that learns no scale."""

from dataclasses import dataclass, field, replace

from distilrank.losses import Loss
from distilrank.losses.first_phase import FirstPhase
from distilrank.training.divergence import Divergence
from distilrank.training.in_batch import InBatchLesson
from distilrank.training.objective import Objective


@dataclass(frozen=True)
class Phase:
    """What its steps minimise. Its losses are compared with its own first ones, since another loss has another size."""

    objective: Objective
    divergence: Divergence = field(default_factory=Divergence)


class Phases:
    """The phase of each step. Steps are numbered from 1."""

    def __init__(self, loss: Loss, in_batch: InBatchLesson | None, first: FirstPhase | None, steps: int) -> None:
        """`steps` are those of the whole training."""
        self._last, later = 0, Phase(Objective(loss, in_batch))
        self._phases = [later, later]
        if first:
            self._last = first.steps(steps)
            everywhere = in_batch and replace(in_batch, loss=first.loss)
            self._phases[0] = Phase(Objective(first.loss, everywhere))

    @property
    def every(self) -> bool:
        """Whether a phase needs the scores of every query with every passage of its batch."""
        return any(phase.objective.every for phase in self._phases)

    def number(self, step: int) -> int:
        """1 or 2."""
        return 1 if step <= self._last else 2

    def of(self, step: int) -> Phase:
        return self._phases[self.number(step) - 1]

    def __str__(self) -> str:
        before, later = (phase.objective.loss for phase in self._phases)
        return f"steps 1 to {self._last:,} learn by {before}, the others by {later}"

"""How a training went, for the report."""

from dataclasses import dataclass, field

Point = tuple[int, float]
# The key of `chosen` that tells how many steps have the loss of the first phase.
FIRST_PHASE = "first_phase"


@dataclass(frozen=True)
class History:
    """Curves as (step, value) of the loss and of validation, and what else the report shows of a training.

    Validation is given by kind of task, and as the mean, which chose the step whose weights were kept. Each ranker
    re-ranks (`rerank`), and a dense one also searches a sample of passages (`retrieve`). Then come that step, the mean
    margins of the `student` and of its `teacher` if there is one, the gradient's norm before clipping, the share of
    padding in what was encoded, and what the training chose before its first step: the `scale` of its teacher's
    margins, the `steps` in its budget, and how many steps its `first_phase` has. What differs from run to run, such as
    speed, is in no output, so not here either.
    """

    loss: list[Point]
    validation: dict[str, list[Point]]
    selection: list[Point]
    best_step: int
    margins: dict[str, list[Point]]
    grad_norm: list[Point]
    padding: list[Point]
    chosen: dict[str, float] = field(default_factory=dict)

    def at_best(self, kind: str) -> float:
        """The validation of one kind at the step that was kept."""
        return dict(self.validation[kind])[self.best_step]

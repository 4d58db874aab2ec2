"""How a training went: what the report shows of it."""

from dataclasses import dataclass, field

Point = tuple[int, float]


@dataclass(frozen=True)
class History:
    """Curves as (step, value): the loss; validation by kind of task, and the mean, by which a step was chosen; and
    that step, whose weights were kept. Then the mean margins of the `student` and, where there is one, of its
    `teacher`; the gradient's norm before it is cut; the share of padding in what was encoded; and what the training
    chose before its first step: the `scale` of its teacher's margins, the `steps` that its budget held.

    Each ranker re-ranks (`rerank`); a dense one searches a sample of passages as well (`retrieve`). What differs from
    run to run, such as speed, is in no output, and so not here.
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

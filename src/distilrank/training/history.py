"""How a training went: what the report shows of it."""

from dataclasses import dataclass

Point = tuple[int, float]


@dataclass(frozen=True)
class History:
    """Curves as (step, value): the loss; nDCG@10 on dev queries by kind of task, and their mean, by which a step was
    chosen; and that step, whose weights were kept.

    Each ranker re-ranks (`rerank`); a dense one searches a sample of passages as well (`retrieve`).
    """

    loss: list[Point]
    validation: dict[str, list[Point]]
    selection: list[Point]
    best_step: int

    def at_best(self, kind: str) -> float:
        """The validation of one kind at the step that was kept."""
        return dict(self.validation[kind])[self.best_step]

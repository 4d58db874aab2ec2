"""How a training went: what the report shows of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class History:
    """Curves as (step, value): the loss, and validation nDCG@10; and the step whose weights were kept."""

    loss: list[tuple[int, float]]
    validation: list[tuple[int, float]]
    best_step: int

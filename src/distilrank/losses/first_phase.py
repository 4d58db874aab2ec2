"""The first steps of a training by a teacher, which leave the scale of its scores to the student."""

from pydantic import field_validator

from distilrank.losses.base import Loss
from distilrank.losses.of_a_teacher import WeightedRankNet
from distilrank.losses.table import LOSSES, TeacherLoss
from distilrank.sections.base import Section, Share


class FirstPhase(Section):
    """The first steps, by a loss for which the scale of the teacher's scores does not matter."""

    share: Share = 0.2
    """Share of the steps."""

    loss: TeacherLoss = WeightedRankNet()
    """Its loss, in the place of `loss` and of `in_batch.loss`: weighted-ranknet, or one of another package."""

    @field_validator("loss")
    @classmethod
    def learns_no_scale(cls, loss: Loss) -> Loss:
        if not loss.scale_free:
            fit = ", ".join(name for name, one in LOSSES.items() if one.scale_free)
            raise ValueError(f"the loss {loss.name} learns the teacher's scale: name one that does not, such as {fit}")
        return loss

    def steps(self, every: int) -> int:
        """How many of all steps."""
        return round(self.share * every)

    def __str__(self) -> str:
        """The text that the report shows."""
        return f"{self.loss} for the first {100 * self.share:g} % of the steps"

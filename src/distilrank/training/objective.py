"""What a training minimises: the loss of its triples, plus that of an in-batch teacher."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from distilrank.losses import Loss
from distilrank.training.in_batch import InBatchLesson, own_triples, positive_first, without_positives


@dataclass(frozen=True)
class Objective:
    """The loss of a batch's scores, in Collator's layout."""

    loss: Loss
    in_batch: InBatchLesson | None = None

    @property
    def every(self) -> bool:
        """Whether it needs the scores of every query with every passage of its batch."""
        return self.loss.in_batch or self.in_batch is not None

    def __call__(self, scores: Tensor, batch: dict[str, Any], taught: Tensor | None) -> Tensor:
        """The loss of a Step's scores. `taught` are the in-batch teacher's scores, if there is one."""
        known = batch["known"]
        if self.loss.in_batch:
            loss = self.loss(positive_first(scores, known))
        else:
            own = own_of(scores, batch)
            if self.loss.reads_labels:
                own = without_positives(own, own_of(known, batch))
            loss = self.loss(own, batch.get("teacher"))
        if self.in_batch is None or taught is None:
            return loss
        everywhere = self.in_batch.loss(
            positive_first(scores, known), positive_first(taught * self.in_batch.scale, known)
        )
        return loss + self.in_batch.weight * everywhere


def own_of(scores: Tensor, batch: dict[str, Any]) -> Tensor:
    """The scores of the triples (batch, 1 + negatives), out of a Step's scores or values in the same layout."""
    return own_triples(scores) if batch["every"] else scores

"""What a loss is: its entry in params.yaml, and a scalar for groups of scores.

A group holds the scores of a query's passages, the positive in column 0: (queries, 1 + negatives). A teacher's scores
have the same shape. A student's score of -inf marks a passage that is no negative of the query, and the loss is as if
that passage were absent. torch is imported where a loss is computed, so that params are read without it.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

from distilrank.sections.base import Section

if TYPE_CHECKING:
    from torch import Tensor


class Loss(Section):
    """A scalar for scores (queries, 1 + negatives), at least one query and one negative.

    A loss that learns from a teacher needs the teacher's scores in the same shape. Other losses take None, and ignore a
    teacher. A score of -inf leaves its passage out, whatever the teacher's score is. Raises ValueError for other
    shapes, and for teacher scores that are not finite.
    """

    # Whether it learns from a teacher's scores; otherwise labels alone are enough.
    needs_teacher: ClassVar[bool]
    # Whether it uses the labels, which say that the positive is relevant and the negatives are not.
    reads_labels: ClassVar[bool] = False
    # Whether it learns the teacher's scores themselves. Other losses learn how far apart they are.
    reads_scores: ClassVar[bool] = False
    # Whether it learns from a teacher whose scale does not matter: a factor of the teacher's margins changes the length
    # of each gradient alone.
    scale_free: ClassVar[bool] = False
    # Whether all passages of the batch are negatives. `in_batch.positive_first` defines their order.
    in_batch: ClassVar[bool] = False

    name: str
    """Which one."""

    @property
    def fits_scale(self) -> bool:
        """Whether its scale must be fitted before the first step. `scaled` then sets it."""
        return False

    def scaled(self, scale: float) -> Self:
        """The same loss, multiplying the teacher's margins by `scale`. Raises ValueError for a loss without one."""
        raise ValueError(f"scale: got {scale}, expected none for the loss {self.name}")

    @property
    def times(self) -> float:
        """The factor of the teacher's margins."""
        return 1.0

    @abstractmethod
    def __call__(self, scores: "Tensor", teacher: "Tensor | None" = None) -> "Tensor": ...

    def __str__(self) -> str:
        """Its name, and its own params in brackets: `listwise-kl (temperature 2.0)`."""
        told = self.model_dump(exclude={"name"}, exclude_defaults=True)
        own = ", ".join(f"{key} {value}" for key, value in told.items())
        return f"{self.name} ({own})" if own else self.name


def margins(scores: "Tensor", among: "Tensor | None" = None) -> "Tensor":
    """How far each positive is above each negative that counts (pairs,), query by query.

    `among` (queries, 1 + negatives) marks what counts. None: all but the scores of -inf. Raises ValueError.
    """
    among = counted(scores) if among is None else among
    return (scores[:, :1] - scores[:, 1:])[among[:, 1:]]


def counted(scores: "Tensor") -> "Tensor":
    """Marks the passages (queries, 1 + negatives) that count, which are all without a score of -inf. Raises
    ValueError."""
    if scores.ndim != 2 or scores.shape[0] < 1 or scores.shape[1] < 2:
        raise ValueError(f"scores: got shape {tuple(scores.shape)}, expected (queries, 1 + negatives)")
    return ~scores.isneginf()


def compared(scores: "Tensor", teacher: "Tensor | None") -> "tuple[Tensor, Tensor]":
    """The teacher's scores, and what counts. Raises ValueError if they cannot be compared with the student's."""
    among = counted(scores)
    if teacher is None or teacher.shape != scores.shape:
        got = "none" if teacher is None else f"shape {tuple(teacher.shape)}"
        raise ValueError(f"teacher scores: got {got}, expected the shape of the scores, {tuple(scores.shape)}")
    if unusable := int((~teacher.isfinite() & among).sum()):
        raise ValueError(f"teacher scores: got {unusable} of {teacher.numel()} NaN or infinite, expected finite ones")
    return teacher, among


def mean(values: "Tensor") -> "Tensor":
    """The mean of values (pairs,). It is 0 if there are none, as where every passage of a batch is a positive of every
    query."""
    return values.sum() / max(1, len(values))

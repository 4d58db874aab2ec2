"""What a loss is: its entry in params.yaml, and a scalar for groups of scores.

A group is a query's scores (queries, 1 + negatives), the positive in column 0; a teacher's have the same shape. torch
is imported where a loss is computed, so that params are read without it.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from distilrank.sections.base import Section

if TYPE_CHECKING:
    from torch import Tensor


class Loss(Section):
    """A scalar for scores (queries, 1 + negatives), at least one query and one negative.

    A loss that learns from a teacher wants its scores in the same shape; the others take None and look at no teacher.
    Raises ValueError for other shapes, and for teacher scores that are not finite.
    """

    # Whether it learns from a teacher's scores; otherwise labels alone are enough.
    needs_teacher: ClassVar[bool]
    # Whether the negatives are all passages of the batch: `in_batch.positive_first` says how they stand.
    in_batch: ClassVar[bool] = False

    name: str
    """Which one."""

    @abstractmethod
    def __call__(self, scores: "Tensor", teacher: "Tensor | None" = None) -> "Tensor": ...

    def __str__(self) -> str:
        """Its name, and in brackets its own params: `listwise-kl (temperature 2.0)`."""
        own = ", ".join(f"{key} {value}" for key, value in self.model_dump(exclude={"name"}).items())
        return f"{self.name} ({own})" if own else self.name


def margins(scores: "Tensor") -> "Tensor":
    """(queries, negatives): how far each positive stands above each of its negatives. Raises ValueError."""
    return grouped(scores)[:, :1] - scores[:, 1:]


def grouped(scores: "Tensor") -> "Tensor":
    """The scores themselves. Raises ValueError where they are no groups."""
    if scores.ndim != 2 or scores.shape[0] < 1 or scores.shape[1] < 2:
        raise ValueError(f"scores: got shape {tuple(scores.shape)}, expected (queries, 1 + negatives)")
    return scores


def checked(teacher: "Tensor | None", scores: "Tensor") -> "Tensor":
    """The teacher's scores. Raises ValueError where they cannot be compared with the student's."""
    grouped(scores)
    if teacher is None or teacher.shape != scores.shape:
        got = "none" if teacher is None else f"shape {tuple(teacher.shape)}"
        raise ValueError(f"teacher scores: got {got}, expected the shape of the scores, {tuple(scores.shape)}")
    if unusable := int((~teacher.isfinite()).sum()):
        raise ValueError(f"teacher scores: got {unusable} of {teacher.numel()} NaN or infinite, expected finite ones")
    return teacher

"""What a loss is: its entry in params.yaml, and a scalar for groups of scores.

A group is a query's scores (queries, 1 + negatives), the positive in column 0; a teacher's have the same shape. -inf
among a student's scores marks what is no negative of the query: a loss is what it would be without that passage.
torch is imported where a loss is computed, so that params are read without it.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

from distilrank.sections.base import Section

if TYPE_CHECKING:
    from torch import Tensor


class Loss(Section):
    """A scalar for scores (queries, 1 + negatives), at least one query and one negative.

    A loss that learns from a teacher wants its scores in the same shape; the others take None and look at no teacher.
    A score of -inf leaves its passage out, whatever the teacher gives it. Raises ValueError for other shapes, and for
    teacher scores that are not finite.
    """

    # Whether it learns from a teacher's scores; otherwise labels alone are enough.
    needs_teacher: ClassVar[bool]
    # Whether it learns by the labels, which say that the positive is relevant and the negatives are not.
    reads_labels: ClassVar[bool] = False
    # Whether it learns a teacher's scores themselves, where others learn how far they are apart.
    reads_scores: ClassVar[bool] = False
    # Whether the negatives are all passages of the batch: `in_batch.positive_first` says how they stand.
    in_batch: ClassVar[bool] = False

    name: str
    """Which one."""

    @property
    def fits_scale(self) -> bool:
        """Whether it wants `scaled` to be told of a scale before the first step."""
        return False

    def scaled(self, scale: float) -> Self:
        """The same, where it wants that, by a scale: what the teacher's margins are multiplied by."""
        raise ValueError(f"scale: got {scale}, expected none for the loss {self.name}")

    @property
    def times(self) -> float:
        """What it multiplies the teacher's margins by."""
        return 1.0

    @abstractmethod
    def __call__(self, scores: "Tensor", teacher: "Tensor | None" = None) -> "Tensor": ...

    def __str__(self) -> str:
        """Its name, and in brackets its own params: `listwise-kl (temperature 2.0)`."""
        told = self.model_dump(exclude={"name"}, exclude_defaults=True)
        own = ", ".join(f"{key} {value}" for key, value in told.items())
        return f"{self.name} ({own})" if own else self.name


def margins(scores: "Tensor", among: "Tensor | None" = None) -> "Tensor":
    """(pairs,): how far each positive stands above each negative that counts, query by query.

    `among` (queries, 1 + negatives) marks what counts; None: all but the scores of -inf. Raises ValueError.
    """
    among = counted(scores) if among is None else among
    return (scores[:, :1] - scores[:, 1:])[among[:, 1:]]


def counted(scores: "Tensor") -> "Tensor":
    """Marks the passages (queries, 1 + negatives) that count: all that no -inf leaves out. Raises ValueError."""
    if scores.ndim != 2 or scores.shape[0] < 1 or scores.shape[1] < 2:
        raise ValueError(f"scores: got shape {tuple(scores.shape)}, expected (queries, 1 + negatives)")
    return ~scores.isneginf()


def compared(scores: "Tensor", teacher: "Tensor | None") -> "tuple[Tensor, Tensor]":
    """The teacher's scores, and what counts. Raises ValueError where they cannot be compared with the student's."""
    among = counted(scores)
    if teacher is None or teacher.shape != scores.shape:
        got = "none" if teacher is None else f"shape {tuple(teacher.shape)}"
        raise ValueError(f"teacher scores: got {got}, expected the shape of the scores, {tuple(scores.shape)}")
    if unusable := int((~teacher.isfinite() & among).sum()):
        raise ValueError(f"teacher scores: got {unusable} of {teacher.numel()} NaN or infinite, expected finite ones")
    return teacher, among


def mean(values: "Tensor") -> "Tensor":
    """Of values (pairs,); 0 of none, as where all passages of a batch are positives of all its queries."""
    return values.sum() / max(1, len(values))

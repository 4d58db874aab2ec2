"""The sections on training and scoring."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from distilrank.sections.base import Section

LearningRate = Annotated[float, Field(gt=0, lt=1)]
# Of matrix products: tf32 is float32 in memory, multiplied with ten bits of mantissa, on cards that can.
Precision = Literal["float32", "tf32", "bfloat16"]


class Training(Section):
    """`part_learning_rates` are those of parts of a ranker that learn at a rate of their own.

    After `patience` validations in a row that are no better than the best a training ends early; null: never.
    """

    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: LearningRate
    part_learning_rates: dict[str, LearningRate] = Field(default={})
    warmup_share: float = Field(ge=0, lt=1)
    validate_every: int = Field(ge=1)
    patience: Annotated[int, Field(ge=1)] | None = None
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def ends_on_a_validation(self) -> Self:
        if self.steps % self.validate_every:
            raise ValueError(f"steps must be a multiple of validate_every, {self.validate_every}")
        return self

    @model_validator(mode="after")
    def patience_can_run_out(self) -> Self:
        validations = self.steps // self.validate_every
        # The first validation is the best so far, and after the last there is nothing to end.
        if self.patience is not None and self.patience > validations - 2:
            remedy = f"set at most {validations - 2}, or null" if validations > 2 else "set null"
            raise ValueError(
                f"patience, {self.patience}, cannot run out before the last of {validations} validations: {remedy}"
            )
        return self


class Validation(Section):
    """While training, on a sample of the dev queries: nDCG@10 of re-ranking the best `depth` candidates.

    A dense ranker also searches a sample of passages: those relevant to these queries, and `passages` drawn from all.
    The step with the best mean of both is kept. Where `passages` is null, re-ranking alone decides.
    """

    queries: int = Field(ge=1, default=500)
    depth: int = Field(ge=1, default=20)
    passages: Annotated[int, Field(ge=1)] | None = 2000


class Scoring(Section):
    """`precision` is that of a teacher's matrix products; `pairs_at_once` bounds memory, whatever there is to score."""

    precision: Precision
    pairs_per_part: int = Field(ge=1)
    pairs_at_once: int = Field(ge=1)


class Labels(Section):
    """Labels with a larger share of negative margins than `most_negative_margins` are refused."""

    most_negative_margins: float = Field(ge=0, le=1)

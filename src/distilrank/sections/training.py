"""The sections on training and scoring."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from distilrank.sections.base import Section
from distilrank.sections.measures import Measure, tells_apart
from distilrank.sections.precision import Precision

LearningRate = Annotated[float, Field(gt=0, lt=1)]
Schedule = Literal["linear", "cosine", "constant", "plateau"]


class Lora(Section):
    """Adapters of low rank that learn in place of the layers they stand in; the trained model has them merged."""

    rank: int = Field(ge=1, default=16)
    """Of each adapter."""

    alpha: int = Field(ge=1, default=32)
    """What an adapter computes counts `alpha` / `rank` times."""

    dropout: float = Field(ge=0, lt=1, default=0.0)
    """Of what adapters read, while training."""

    targets: Annotated[list[str], Field(min_length=1)] | None = None
    """The linear layers that get one, by the ends of their names, such as query and output.dense. null: all linear
    layers of the transformer's layers."""


class Batches(Section):
    """Balanced topic-aware batches: each is of queries of one topic, and an epoch takes each query once."""

    topics: int = Field(ge=1, default=20)
    """Into how many topics the queries fall, by k-means over vectors of the backbone."""

    margin_bins: Annotated[int, Field(ge=1)] | None = 10
    """Bins of the teacher's margins, between the lowest and the highest of a query: of these a query's triple is drawn
    evenly. null, or without a teacher: it is any of the query's."""


class Plateau(Section):
    """How the rate falls where validations bring no gain."""

    patience: int = Field(ge=0, default=15)
    """So many validations in a row may be no better than the best; after one more, the rate falls."""

    factor: float = Field(gt=0, lt=1, default=0.25)
    """What the rate is multiplied by."""


class Budget(Section):
    """How long a training may take, in the place of a number of steps."""

    minutes: float = Field(gt=0)
    """Of its steps and validations. How many fit is measured on this machine before the first."""


class Training(Section):
    """A training by AdamW."""

    steps: Annotated[int, Field(ge=1)] | None = None
    """Times that the weights are moved: a multiple of `validate_every`. null: as many as `budget` holds."""

    budget: Budget | None = None
    """A time, in the place of `steps`: the result then depends on the machine. null: none."""

    batch_size: int = Field(ge=1, default=16)
    """Triples per batch."""

    batches: Batches | None = None
    """How triples come together in batches. null: at random, each triple once per epoch."""

    accumulate: int = Field(ge=1, default=1)
    """Batches per step: their gradients are averaged, which takes the memory of one. In-batch negatives are those of
    one batch."""

    tokens_together: Annotated[int, Field(ge=1)] | None = None
    """Tokens, padding included, that are encoded at once. null: 1,000 on a CPU, 16,384 on a GPU. It changes no result
    but by rounding and dropout."""

    learning_rate: LearningRate
    """The highest, at the end of the warm-up."""

    part_learning_rates: dict[str, LearningRate] = Field(default={})
    """Rates of parts of the ranker: `scale` where it learns, and `kernels` and `embeddings` of tk."""

    layer_decay: float = Field(gt=0, le=1, default=1.0)
    """What the rate is multiplied by from one transformer layer to the one below; the embeddings come last."""

    warmup_share: float = Field(ge=0, lt=1, default=0.1)
    """Share of the steps in which the rate rises."""

    schedule: Schedule = "linear"
    """How the rate falls after the warm-up: along a line or a cosine to 0, or not at all; or, without a warm-up, where
    validations bring no gain (`plateau`)."""

    plateau: Plateau = Plateau()
    """Of the schedule `plateau`. The defaults are those of matchmaker, by the authors of arXiv 2010.02666."""

    weight_decay: float = Field(ge=0, lt=1, default=0.0)
    """AdamW's, of all weights but biases and norms."""

    max_gradient_norm: Annotated[float, Field(gt=0)] | None = 1.0
    """Longer gradients are cut to this length. null: none is."""

    precision: Precision = "float32"
    """Of matrix products. All but float32 are for GPUs; float16 needs one. Weights stay float32."""

    gradient_cache: bool = False
    """Whether texts are encoded twice, so that the states of `tokens_together` alone are in memory at once: the same
    gradient, for about two fifths more time."""

    gradient_checkpointing: bool = False
    """Whether the states within a layer are computed again for the gradient: less memory for a third more time."""

    lora: Lora | None = None
    """LoRA: embeddings and layers stay as they are, and adapters learn. Needs the extra `lora`. null: all learns."""

    validate_every: int = Field(ge=1)
    """Steps from one validation to the next."""

    patience: Annotated[int, Field(ge=1)] | None = None
    """It ends early after so many validations in a row that are no better than the best. null: never."""

    seed: int = Field(ge=0, default=1)
    """Of new weights, dropout and the order of triples."""

    @property
    def all_steps(self) -> int:
        """How many there are: of a training with a budget, once they are chosen."""
        assert self.steps is not None, "the steps of a budget are chosen when the training begins"
        return self.steps

    @model_validator(mode="after")
    def has_steps_or_a_budget(self) -> Self:
        if (self.steps is None) == (self.budget is None):
            got = "neither steps nor budget" if self.steps is None else "both steps and budget"
            raise ValueError(f"there are {got}: name one of them")
        return self

    @model_validator(mode="after")
    def ends_on_a_validation(self) -> Self:
        if self.steps is not None and self.steps % self.validate_every:
            raise ValueError(f"steps must be a multiple of validate_every, {self.validate_every}")
        return self

    @model_validator(mode="after")
    def a_plateau_has_no_warm_up(self) -> Self:
        if self.schedule == "plateau" and self.warmup_share:
            raise ValueError(f"warmup_share is {self.warmup_share}: set 0, since the schedule plateau has no warm-up")
        return self

    @model_validator(mode="after")
    def patience_can_run_out(self) -> Self:
        if self.steps is None:
            return self
        validations = self.steps // self.validate_every
        # The first validation is the best so far, and after the last there is nothing to end.
        if self.patience is not None and self.patience > validations - 2:
            remedy = f"set at most {validations - 2}, or null" if validations > 2 else "set null"
            raise ValueError(
                f"patience, {self.patience}, cannot run out before the last of {validations} validations: {remedy}"
            )
        return self


class Validation(Section):
    """What chooses the step that is kept: a measure on dev queries, the mean of re-ranking and, if dense, searching."""

    measure: Measure = "nDCG@10"
    """By its name in ir-measures; relevant is what has a grade of 1 or more. Searching goes as deep as its
    cut-off, or, where it has none, as `depth`."""

    queries: int = Field(ge=1, default=100)
    """Dev queries, drawn; all where there are fewer."""

    depth: int = Field(ge=1, default=10)
    """Candidates per query that are re-ranked, at most `candidates.depth`."""

    passages: Annotated[int, Field(ge=1)] | None = 400
    """Passages drawn for dense rankers, which search these and the relevant ones. null: they re-rank only."""

    @model_validator(mode="after")
    def tells_rankers_apart(self) -> Self:
        if not tells_apart(self.measure, self.depth):
            raise ValueError(
                f"measure is {self.measure}, which is the same for every order of the {self.depth} passages that are "
                "re-ranked: name another"
            )
        return self


class Scoring(Section):
    """How teachers score pairs."""

    precision: Precision = "float32"
    """Of matrix products. All but float32 are for GPUs."""

    pairs_per_part: int = Field(ge=1, default=1024)
    """What a killed scoring loses at most, per worker."""

    pairs_at_once: int = Field(ge=1, default=2_000_000)
    """What is planned and joined in memory at once: it bounds memory, whatever there is to score."""

"""The sections on training and scoring."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from distilrank.sections.base import Section
from distilrank.sections.measures import Measure, tells_apart
from distilrank.sections.precision import Precision

LearningRate = Annotated[float, Field(gt=0, lt=1)]
Schedule = Literal["linear", "cosine", "constant", "plateau"]


class Lora(Section):
    """Adapters of low rank, which learn instead of the layers that hold them. The trained model has them merged in."""

    rank: int = Field(ge=1, default=16)
    """The rank of each adapter."""

    alpha: int = Field(ge=1, default=32)
    """An adapter's output is multiplied by `alpha` / `rank`."""

    dropout: float = Field(ge=0, lt=1, default=0.0)
    """The dropout on what adapters read, while training."""

    targets: Annotated[list[str], Field(min_length=1)] | None = None
    """The linear layers that get an adapter, by the ends of their names, such as query and output.dense. null: all
    linear layers of the transformer's layers.
    """


class Batches(Section):
    """Balanced topic-aware batches: each has queries of one topic, and an epoch takes each query once."""

    topics: int = Field(ge=1, default=20)
    """How many topics k-means divides the queries into, by vectors of the backbone."""

    margin_bins: Annotated[int, Field(ge=1)] | None = 10
    """A query's triples are put into this many bins of equal width by the teacher's margin. First a bin is drawn, all
    filled bins being equally likely, then a triple from it. null, or without a teacher: all triples of the query are
    equally likely.
    """


class Plateau(Section):
    """How the rate falls when validations bring no gain."""

    patience: int = Field(ge=0, default=15)
    """This many validations in a row may be no better than the best. After one more, the rate falls."""

    factor: float = Field(gt=0, lt=1, default=0.25)
    """The factor by which the rate falls."""


class Budget(Section):
    """How long a training may take, in place of a number of steps."""

    minutes: float = Field(gt=0)
    """The time for all steps and validations. The training measures its speed first, and then chooses its steps."""


class Training(Section):
    """A training by AdamW."""

    steps: Annotated[int, Field(ge=1)] | None = None
    """How many times the weights change: a multiple of `validate_every`. null: as many as `budget` allows."""

    budget: Budget | None = None
    """How long the training may take, in place of `steps`. The result then depends on the machine. null: no limit."""

    batch_size: int = Field(ge=1, default=16)
    """Triples per batch."""

    batches: Batches | None = None
    """How triples are grouped into batches. null: at random, each triple once per epoch."""

    accumulate: int = Field(ge=1, default=1)
    """Batches per step. Their gradients are averaged, in the memory of one batch. In-batch negatives come from one
    batch.
    """

    tokens_together: Annotated[int, Field(ge=1)] | None = None
    """Tokens, padding included, that are encoded at once. null: 1,000 on a CPU, 16,384 on a GPU. It changes results
    only by rounding and dropout.
    """

    learning_rate: LearningRate
    """The highest rate, reached at the end of the warm-up."""

    part_learning_rates: dict[str, LearningRate] = Field(default={})
    """Learning rates of parts of the ranker: `scale` if it is learned, and `kernels` and `embeddings` of tk."""

    layer_decay: float = Field(gt=0, le=1, default=1.0)
    """A transformer layer's rate is that of the layer above, times this. The embeddings count as the lowest layer."""

    warmup_share: float = Field(ge=0, lt=1, default=0.1)
    """Share of the steps in which the rate rises."""

    schedule: Schedule = "linear"
    """How the rate falls after the warm-up. linear, cosine: to 0. constant: not at all. plateau: when validations
    bring no gain, and without a warm-up.
    """

    plateau: Plateau = Plateau()
    """The settings of the schedule `plateau`. The defaults are those of matchmaker, the code of arXiv 2010.02666."""

    weight_decay: float = Field(ge=0, lt=1, default=0.0)
    """AdamW's weight decay, for all weights except biases and norms."""

    max_gradient_norm: Annotated[float, Field(gt=0)] | None = 1.0
    """Longer gradients are cut to this length. null: no gradient is cut."""

    precision: Precision = "float32"
    """The precision of matrix products. All but float32 are for GPUs; float16 needs one. Weights stay float32."""

    gradient_cache: bool = False
    """Whether texts are encoded twice, so that memory holds the states of only `tokens_together` tokens. The
    gradient stays the same. It takes about two fifths more time.
    """

    gradient_checkpointing: bool = False
    """Whether the states within a layer are computed again for the gradient. This saves memory, and takes a third
    more time.
    """

    lora: Lora | None = None
    """LoRA: adapters learn, and embeddings and layers stay as they are. It needs the extra `lora`. null: all weights
    learn.
    """

    validate_every: int = Field(ge=1)
    """Steps from one validation to the next."""

    patience: Annotated[int, Field(ge=1)] | None = None
    """The training ends after this many validations in a row that are no better than the best. null: it never ends
    early.
    """

    seed: int = Field(ge=0, default=1)
    """The seed of new weights, of dropout and of the order of triples."""

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
    """How the step to keep is chosen: by a measure on dev queries. For dense rankers it is the mean of re-ranking
    and searching.
    """

    measure: Measure = "nDCG@10"
    """Its name in ir-measures. Passages with a grade of 1 or more are relevant. Searching goes as deep as the
    measure's cut-off; without one, as deep as `depth`.
    """

    queries: int = Field(ge=1, default=100)
    """How many dev queries, drawn by lot. If there are fewer: all."""

    depth: int = Field(ge=1, default=10)
    """How many candidates per query are re-ranked, at most `candidates.depth`."""

    passages: Annotated[int, Field(ge=1)] | None = 400
    """How many passages are drawn for dense rankers, which search these and the relevant ones. null: they only
    re-rank.
    """

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
    """The precision of matrix products. All but float32 are for GPUs."""

    pairs_per_part: int = Field(ge=1, default=1024)
    """The most pairs that a killed scoring loses per worker."""

    pairs_at_once: int = Field(ge=1, default=2_000_000)
    """How many pairs are planned and joined in memory at once. This limits memory, however much there is to score."""

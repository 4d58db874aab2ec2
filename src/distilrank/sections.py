"""The sections of params.yaml as typed values: unknown keys and values out of range are refused."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def labelled_split(name: str) -> str:
    if name == "unlabelled":
        raise ValueError("another name: unlabelled queries have no qrels, and a key of their own")
    return name


Share = Annotated[float, Field(gt=0, lt=1)]
LearningRate = Annotated[float, Field(gt=0, lt=1)]
Temperature = Annotated[float, Field(gt=0)] | None
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
# Losses that need labels alone, and those that need a teacher's scores.
LabelLoss = Literal["ranknet", "infonce"]
TeacherLoss = Literal["margin-mse", "mse", "weighted-ranknet", "mse-ranknet", "listwise-kl"]
Checksum = Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")]
# Any other than train and dev is a test set: `test`, or several that are measured apart, such as dl19 and dl20.
SplitName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$"), AfterValidator(labelled_split)]
# Of matrix products: tf32 is float32 in memory, multiplied with ten bits of mantissa, on cards that can.
Precision = Literal["float32", "tf32", "bfloat16"]
WITH_TEMPERATURE = ("infonce", "listwise-kl")


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FileElsewhere(Section):
    """A file by its path or URL, and others that have the same file. By its `checksum` DVC sees that it changed."""

    location: str = Field(min_length=1)
    mirrors: list[str] = []
    checksum: Checksum | None


class Backbone(Section):
    model: str = Field(min_length=1)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None


class Tokens(Section):
    query_length: int = Field(ge=1, le=512)
    passage_length: int = Field(ge=1, le=8192)


class Candidates(Section):
    """BM25's best `depth` passages a query, `train_depth` a training query; `runs` take its place where they are given.

    A run is a TREC file, or a file of MS MARCO's form: query_id, passage_id, query, passage. BM25 takes `boats` and
    `boat` for one term by a `stemmer`, Snowball's.
    """

    depth: int = Field(ge=1, le=1000)
    train_depth: int = Field(ge=0, le=1000)
    k1: float = Field(gt=0)
    b: float = Field(ge=0, le=1)
    stemmer: Literal["english"] | None = None
    runs: list[FileElsewhere] = []


class Triples(Section):
    count: int = Field(ge=1)
    negatives: int = Field(ge=1)
    negatives_from: int = Field(ge=1)
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def has_enough_negatives(self) -> Self:
        if self.negatives > self.negatives_from:
            raise ValueError(f"negatives is {self.negatives}, more than negatives_from, {self.negatives_from}")
        return self


class GivenTriples(FileElsewhere):
    """MS MARCO's: a query, a passage that is relevant, one that is not; their ids or their texts, tab-separated.

    The first `count`, or all.
    """

    columns: Literal["ids", "texts"]
    count: Annotated[int, Field(ge=1)] | None


class Unlabelled(Section):
    """Triples of queries without qrels, by a teacher's scores of their best `depth` candidates.

    Relevant is what scores as the share `positive_from` of the labelled positives do, or higher; not relevant what
    scores as the share `negative_to` of the labelled negatives do, or lower.
    """

    depth: int = Field(ge=2, le=1000)
    triples: int = Field(ge=1)
    positive_from: Share
    negative_to: Share
    seed: int = Field(ge=0)


class RankerSection(Section):
    @property
    def parts(self) -> tuple[str, ...]:
        """What may learn at a rate of its own."""
        return ()


class ScaledRanker(RankerSection):
    """Vectors of length 1 where `normalise`, so that products are cosines; scores are `scale` times the products.

    A cosine reaches from -1 to 1, and a teacher's margins are about 10: without a scale they are out of its reach.
    Where `learn_scale`, `scale` is what it starts at, and the part `scale` may have a learning rate of its own.
    """

    normalise: bool = False
    scale: float = Field(gt=0, default=1.0)
    learn_scale: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        return ("scale",) if self.learn_scale else ()


class CatRanker(RankerSection):
    """BERT_CAT: `pooling` is what the linear head reads, [CLS] or the backbone's pooler."""

    architecture: Literal["cat"]
    layers: int = Field(ge=1)
    pooling: Literal["cls", "pooler"] = "cls"


class PrettrRanker(RankerSection):
    """PreTTR: the layers below `join_layer` read query and passage apart, those from it on read them joined.

    `query_masks` is how many [MASK] stand behind each query, as the paper's published PreTTR was trained.
    """

    architecture: Literal["prettr"]
    layers: int = Field(ge=2)
    join_layer: int = Field(ge=1)
    query_masks: int = Field(ge=0, default=0)

    @model_validator(mode="after")
    def joins_below_the_top(self) -> Self:
        if self.join_layer >= self.layers:
            raise ValueError(f"join_layer must be below layers, {self.layers}; it is {self.join_layer}")
        return self


class ColbertRanker(ScaledRanker):
    """ColBERT: vectors of `dimension`.

    Queries are filled up with [MASK], which nothing reads, where `expand_queries`. `query_masks` is how many others,
    which are read, stand behind each query, as the paper's published ColBERT was trained.
    """

    architecture: Literal["colbert"]
    layers: int = Field(ge=1)
    dimension: int = Field(ge=1, default=128)
    expand_queries: bool = False
    query_masks: int = Field(ge=0, default=0)


class DotRanker(ScaledRanker):
    """BERT_DOT: one vector, of the backbone's width or projected to `dimension`."""

    architecture: Literal["dot"]
    layers: int = Field(ge=1)
    pooling: Literal["cls", "mean"]
    dimension: Annotated[int, Field(ge=1)] | None = None


class Glove(Section):
    """A text file of word vectors: a word and its numbers a line. By its digest DVC sees that it changed."""

    path: str = Field(min_length=1)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class TkRanker(RankerSection):
    """TK: small transformer layers over word embeddings, the backbone's or those of a GloVe text file."""

    architecture: Literal["tk"]
    layers: int = Field(ge=1, default=2)
    glove: Glove | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        return ("kernels", "embeddings")


Ranker = Annotated[CatRanker | PrettrRanker | ColbertRanker | DotRanker | TkRanker, Field(discriminator="architecture")]


class Training(Section):
    """`part_learning_rates` are those of parts of a ranker that learn at a rate of their own.

    After `patience` validations in a row that are no better than the best a training ends early; null: never.
    """

    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: LearningRate
    part_learning_rates: dict[str, LearningRate] = {}
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


class Teacher(Section):
    """Trained on labels: the students' triples, or a draw of its own; from a backbone of its own, or everybody's."""

    ranker: Ranker
    backbone: Backbone | None = None
    loss: LabelLoss
    temperature: Temperature = None
    training: Training
    triples: Triples | None = None

    @model_validator(mode="after")
    def has_what_its_loss_needs(self) -> Self:
        _check_temperature(self.temperature, self.loss)
        _check_parts(self.ranker, self.training)
        return self


class Ensemble(Section):
    """Several teachers as one: the mean of their scores, of their z-normalised scores, or the median."""

    members: Annotated[list[ModelName], Field(min_length=2)]
    combine: Literal["mean", "z-mean", "median"]

    @model_validator(mode="after")
    def counts_each_member_once(self) -> Self:
        if len(set(self.members)) < len(self.members):
            raise ValueError(f"each member must stand once; they are {self.members}")
        return self


class Student(Section):
    """Learns a teacher's margins by `loss`; its control, which differs in nothing else, labels by `control_loss`."""

    ranker: Ranker
    backbone: Backbone | None = None
    start: Literal["backbone", "teacher"]
    loss: TeacherLoss
    temperature: Temperature = None
    control_loss: LabelLoss
    control_temperature: Temperature = None
    training: Training

    @model_validator(mode="after")
    def has_what_its_losses_need(self) -> Self:
        _check_temperature(self.temperature, self.loss)
        _check_temperature(self.control_temperature, self.control_loss, "control_")
        _check_parts(self.ranker, self.training)
        return self


class Matrix(Section):
    """Which of these meet: who teaches every student, which students have a control, which are indexed.

    `controls` start from the backbone and learn from the collection's triples: one serves all teachers whose students
    do so too. `controls_per_teacher` start where each teacher's students start, and learn from the labelled part of
    their triples. Every student and control is trained by each of `seeds` as well as by its own.
    """

    teachers: Annotated[list[ModelName], Field(min_length=1)]
    controls: list[ModelName]
    controls_per_teacher: list[ModelName]
    indexes: Annotated[list[ModelName], Field(min_length=1)]
    seeds: list[Annotated[int, Field(ge=0)]]

    @model_validator(mode="after")
    def names_each_once(self) -> Self:
        every: tuple[list[Any], ...] = (
            self.teachers,
            self.controls,
            self.controls_per_teacher,
            self.indexes,
            self.seeds,
        )
        for entries in every:
            if len(set(entries)) < len(entries):
                raise ValueError(f"each entry must stand once; they are {entries}")
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


def drawn_or_given(triples: Any) -> str:
    """Which triples are meant: those with a location are given."""
    return "given" if "location" in (triples if isinstance(triples, dict) else dict(triples)) else "drawn"


def _check_temperature(temperature: float | None, loss: str, whose: str = "") -> None:
    if loss in WITH_TEMPERATURE and temperature is None:
        raise ValueError(f"{whose}loss {loss} needs a {whose}temperature")
    if loss not in WITH_TEMPERATURE and temperature is not None:
        takers = " and ".join(WITH_TEMPERATURE)
        raise ValueError(f"{whose}temperature is {temperature}, but of the losses only {takers} take one, not {loss}")


def _check_parts(ranker: Ranker, training: Training) -> None:
    if strange := [part for part in training.part_learning_rates if part not in ranker.parts]:
        raise ValueError(f"part_learning_rates of {ranker.architecture} may name {list(ranker.parts)}, not {strange}")

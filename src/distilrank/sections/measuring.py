"""The sections of params.yaml on measuring: the evaluation, the latency, the report, and what a champion must reach."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from distilrank.sections.base import Section, SplitName
from distilrank.sections.measures import DEFAULT_MEASURES, PRIMARY, Measure, PrimaryOrMeasure, tells_apart
from distilrank.sections.precision import Precision

Relevance = Annotated[int, Field(ge=1)]
Relevances = Relevance | dict[SplitName, Relevance]
RerankedDepth = Annotated[int, Field(ge=10)]
# A figure of a ranker in the same evaluation, with or without an amount: `bm25 + .02`. The ranker `control` is the
# model's own control.
RELATIVE_FLOOR = re.compile(r"(?P<ranker>[A-Za-z0-9][\w~-]*)(?: (?P<sign>[+-]) (?P<amount>\d*\.?\d+))?")
Floor = float | Annotated[str, Field(pattern=f"^{RELATIVE_FLOOR.pattern}$")]


class Evaluation(Section):
    """What is measured on the test queries."""

    depth: RerankedDepth = 20
    """How many candidates per query are re-ranked, at most `candidates.depth`."""

    measures: Annotated[list[Measure], Field(min_length=1)] = Field(default=DEFAULT_MEASURES)
    """The measures, by their names in ir-measures. Rankers are compared by the first, the primary measure."""

    minimum_relevance: Relevances = 1
    """The lowest grade that is relevant, for measures that name no `rel`. One grade for all test sets, or one for each
    by name.
    """

    precision: Precision = "float32"
    """The precision of matrix products when test pairs are scored. What is stored of passages has that of `encoding`.
    Searches are in float32."""

    untrained: list[Literal["rerank", "retrieve"]] = Field(default=["rerank"])
    """The tasks on which the backbone and the students' starts are measured too."""

    @property
    def primary(self) -> str:
        return self.measures[0]

    @model_validator(mode="after")
    def begins_with_what_tells_rankers_apart(self) -> Self:
        if twice := sorted({name for name in self.measures if self.measures.count(name) > 1}):
            raise ValueError(f"measures has {twice} more than once: name each once")
        if not tells_apart(self.primary, self.depth):
            raise ValueError(
                f"measures begins with {self.primary}, which is the same for every order of the {self.depth} passages "
                "that are re-ranked: name another first"
            )
        return self

    @model_validator(mode="after")
    def searches_with_what_it_re_ranks_with(self) -> Self:
        if self.untrained == ["retrieve"]:
            raise ValueError("untrained is [retrieve]: name rerank as well, since rankers are compared by it")
        return self


class Latency(Section):
    """How the time of a request is measured: one at a time, and several at once, as a server gets them."""

    queries: int = Field(ge=1, default=10)
    """Test queries that are timed."""

    clients: int = Field(default=4, ge=1)
    """How many clients ask at once, in the second measurement."""

    depths: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = Field(default=[10, 100])
    """How many passages are found, and re-ranked, when a search is timed from text to ids. Depths beyond the number of
    passages are left out."""

    seconds: float = Field(gt=0, default=0.5)
    """How long each depth of a search is timed, with one thread and with all. At least 3 queries are timed."""


class ExpectedFigures(Section):
    """Stated means of one measure. A run's figures are within seed noise, near, or off."""

    collection: str = Field(min_length=1)
    """The collection, by the name that its versions in the registry begin with, or by its entry in `evaluations`. A run
    on another collection is not graded."""

    test_set: SplitName = "test"
    """The test set whose queries the means are over."""

    task: Literal["rerank", "retrieve"]
    """What the rankers did."""

    measure: Measure
    """The measure of the figures."""

    source: str
    """Where the figures are from."""

    seed_noise: float = Field(gt=0)
    """How far a figure may differ by seeds alone."""

    near: float = Field(gt=0)
    """How far a figure may differ and still be near: `seed_noise` or more."""

    figures: Annotated[dict[str, float], Field(min_length=1)]
    """The means, by the ranker's name in the results. A ranker that the results lack counts as not measured."""

    @model_validator(mode="after")
    def near_is_beyond_noise(self) -> Self:
        if self.near < self.seed_noise:
            raise ValueError(f"near is {self.near}, below seed_noise, {self.seed_noise}")
        return self


class NoWorse(Section):
    """A paired test that a challenger is not worse than a champion."""

    task: str = "rerank"
    """rerank or retrieve. With several test sets, write the test set and a slash before it."""

    measure: PrimaryOrMeasure = PRIMARY
    """What is compared, query by query."""

    margin: float = Field(gt=0, default=0.01)
    """A loss of this size counts as worse."""

    p_value: float = Field(gt=0, lt=1, default=0.05)
    """The test's p must be below it."""


class Promotion(Section):
    """What `distilrank promote` asks of a challenger."""

    floors: dict[str, dict[PrimaryOrMeasure, Floor | list[Floor]]] = Field(
        default={"rerank": {PRIMARY: ["bm25", "control"]}, "retrieve": {PRIMARY: ["bm25", "control"]}}
    )
    """The least that it must reach, by task and measure: a number, or a ranker's figure (`bm25`, `bm25 + .02`).
    `control` is the model's own control. Floors for searching hold for models that search.
    """

    no_worse: NoWorse = NoWorse()
    """The test that it is not worse than the champion and the best one so far."""

    milliseconds: float = Field(gt=0, default=1000)
    """The longest median time to re-rank the candidates of a query."""

    megabytes: float = Field(gt=0, default=200)
    """The largest size of a model and its exact vectors together."""

    def every_floor(self, primary: str) -> list[tuple[str, str, Floor]]:
        """By task and measure."""
        return [
            (task, primary if measure == PRIMARY else measure, floor)
            for task, measures in self.floors.items()
            for measure, given in measures.items()
            for floor in (given if isinstance(given, list) else [given])
        ]


def relative_floor(floor: Floor) -> tuple[str, float] | None:
    """The ranker that a floor names, and how far above its figure the floor stands; None for a number."""
    told = RELATIVE_FLOOR.fullmatch(floor) if isinstance(floor, str) else None
    return (told["ranker"], float(f"{told['sign'] or '+'}{told['amount'] or 0}")) if told else None


class Budgets(Section):
    """The limits of a model that is shipped. null: no limit."""

    milliseconds: float | None = Field(gt=0, default=None)
    """The longest median time to re-rank a query's candidates. A model is shipped in one of two ways: nothing is
    stored, or passages are encoded beforehand. The limit holds for each."""

    bytes_per_passage: float | None = Field(ge=0, default=None)
    """The most bytes stored per passage, if passages are encoded beforehand."""


class Report(Section):
    """What the report shows besides the results."""

    examples: int = Field(ge=1, default=10)
    """How many queries are shown with what the rankers found for them."""

    queries: int = Field(ge=1, default=10)
    """How many queries of each kind are shown: a taught student's largest wins, its largest losses, and those that
    it lost."""

    budgets: Budgets = Budgets()
    """The limits within which the report says what to ship."""

    expected: list[ExpectedFigures] = Field(default=[])
    """Stated figures, by which a run is graded. `distilrank check-results` fails if one is off or not measured."""

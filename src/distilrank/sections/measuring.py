"""The sections of params.yaml on measuring: the evaluation, the latency, the report, and what a champion must reach."""

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from distilrank.sections.base import Section, SplitName

Measure = Literal["nDCG@10", "MRR@10", "MAP", "Recall@20", "Recall@100", "Recall@1000"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
Relevance = Annotated[int, Field(ge=1)]
# A figure of a ranker in the same evaluation, with or without an amount: `bm25 + .02`. The ranker `control` is the
# model's own control.
RELATIVE_FLOOR = re.compile(r"(?P<ranker>[A-Za-z0-9][\w~-]*)(?: (?P<sign>[+-]) (?P<amount>\d*\.?\d+))?")
Floor = float | Annotated[str, Field(pattern=f"^{RELATIVE_FLOOR.pattern}$")]


class Evaluation(Section):
    """`minimum_relevance` counts as relevant for MRR, MAP and recall: in all test sets, or in each by its name.

    `untrained` are the tasks at which the backbone and the students' starts are measured too.
    """

    depth: int = Field(ge=10)
    minimum_relevance: Relevance | dict[SplitName, Relevance]
    untrained: list[Literal["rerank", "retrieve"]] = Field(default=["rerank", "retrieve"])

    @model_validator(mode="after")
    def searches_with_what_it_re_ranks_with(self) -> Self:
        if self.untrained == ["retrieve"]:
            raise ValueError("untrained is [retrieve]: name rerank as well, by which rankers are compared")
        return self


class Latency(Section):
    """How many test queries are timed, and how many clients ask at once where several do."""

    queries: int = Field(ge=1)
    clients: int = Field(default=4, ge=1)


class ExpectedFigures(Section):
    """Published means of one measure by ranker; a run is within their seed noise, near them, or off.

    Of one collection, by the name that versions in the registry begin with: a run on another is not graded.
    """

    collection: str = Field(min_length=1)
    test_set: SplitName = "test"
    task: Literal["rerank", "retrieve"]
    measure: Measure
    source: str
    seed_noise: float = Field(gt=0)
    near: float = Field(gt=0)
    figures: Annotated[dict[str, float], Field(min_length=1)]

    @model_validator(mode="after")
    def near_is_beyond_noise(self) -> Self:
        if self.near < self.seed_noise:
            raise ValueError(f"near is {self.near}, below seed_noise, {self.seed_noise}")
        return self


class NoWorse(Section):
    """Than a champion in a measure, by `margin` or more: a paired test's p is below `p_value`."""

    task: str
    measure: Measure
    margin: float = Field(gt=0)
    p_value: float = Field(gt=0, lt=1)


class Promotion(Section):
    """What a model must be to be served: measures by task, milliseconds (median) to re-rank, megabytes to load.

    A floor for searching holds for models that have an index.
    """

    floors: dict[str, dict[Measure, Floor | list[Floor]]]
    no_worse: NoWorse
    milliseconds: float = Field(gt=0)
    megabytes: float = Field(gt=0)

    def every_floor(self) -> list[tuple[str, Measure, Floor]]:
        """By task and measure."""
        return [
            (task, measure, floor)
            for task, measures in self.floors.items()
            for measure, given in measures.items()
            for floor in (given if isinstance(given, list) else [given])
        ]


def relative_floor(floor: Floor) -> tuple[str, float] | None:
    """The ranker that a floor names, and how far above its figure the floor stands; None for a number."""
    told = RELATIVE_FLOOR.fullmatch(floor) if isinstance(floor, str) else None
    return (told["ranker"], float(f"{told['sign'] or '+'}{told['amount'] or 0}")) if told else None


class Report(Section):
    examples: int = Field(ge=1)
    expected: list[ExpectedFigures] = Field(default=[])

"""The section on mined triples: hard negatives of what BM25, trained rankers and given runs find."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from distilrank.sections.base import FileElsewhere, ModelName, RankerName, Section
from distilrank.sections.data import BM25

Rank = Annotated[int, Field(ge=1, le=1000)]


class Filter(Section):
    """Leaves out negatives that a teacher finds relevant."""

    teacher: ModelName
    """The entry of `teachers` that scores them."""

    margin: float = 0.0
    """A negative stays if it scores at least this much below the positive."""


class MinedTriples(Section):
    """Training triples, mined: a positive by the qrels, negatives that BM25, trained models or runs find."""

    # As params.yaml has it: `from` is a word of Python's own.
    model_config = ConfigDict(serialize_by_alias=True)

    sources: Annotated[list[RankerName | FileElsewhere], Field(min_length=1, alias="from")]
    """What finds negatives among all passages: `bm25`; dense models, by their names in the results, such as dot-T1;
    runs, as files.
    """

    ranks: Annotated[list[Rank], Field(min_length=2, max_length=2)]
    """The first and the last rank of each source that negatives are drawn from."""

    negatives: int = Field(ge=1, default=1)
    """Negatives per triple, taken in turn from each source."""

    count: int = Field(ge=1, default=3200)
    """How many triples are drawn."""

    filter: Filter | None = None
    """What leaves out false negatives. null: nothing is left out."""

    seed: int = Field(ge=0, default=42)
    """The seed of the draw."""

    @model_validator(mode="after")
    def ranks_rise(self) -> Self:
        if self.ranks[0] > self.ranks[1]:
            raise ValueError(f"ranks are {self.ranks}: the first must not be beyond the last")
        return self

    @model_validator(mode="after")
    def names_each_source_once(self) -> Self:
        if any(source in self.sources[:number] for number, source in enumerate(self.sources)):
            raise ValueError(f"name each source in from once; they are {self.source_names()}")
        return self

    @model_validator(mode="after")
    def has_enough_ranks(self) -> Self:
        if self.negatives > (most := len(self.sources) * (self.ranks[1] - self.ranks[0] + 1)):
            raise ValueError(f"negatives is {self.negatives}, more than all ranks of its sources, {most}")
        return self

    def source_names(self) -> list[str]:
        """What each source goes by, in their order: bm25, the model's name, or run-1 for the first run."""
        names, runs = [], 0
        for source in self.sources:
            runs += isinstance(source, FileElsewhere)
            names.append(f"run-{runs}" if isinstance(source, FileElsewhere) else source)
        return names

    def models(self) -> list[str]:
        """The trained models among its sources."""
        return [source for source in self.sources if isinstance(source, str) and source != BM25]

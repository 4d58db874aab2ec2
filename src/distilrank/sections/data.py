"""The sections on texts, candidates and triples."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from distilrank.sections.base import FileElsewhere, Section, Share


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
    runs: list[FileElsewhere] = Field(default=[])

    def first_stage(self) -> str:
        """The name, in tables and runs, of what finds the candidates: bm25, or `given` where runs are."""
        return "given" if self.runs else "bm25"


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


def drawn_or_given(triples: Any) -> str:
    """Which triples are meant: those with a location are given."""
    return "given" if "location" in (triples if isinstance(triples, dict) else dict(triples)) else "drawn"

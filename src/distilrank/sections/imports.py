"""The sections on scores of others, which teach in the place of a teacher: one per form of a file."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from distilrank.sections.base import FileElsewhere
from distilrank.sections.data import Draw, Lists
from distilrank.sections.labels import ScaleRule


class Import(FileElsewhere):
    """What the entries of all forms have."""

    form: str = "scores"
    """The form of the file."""

    scale: ScaleRule | None = None
    """The scale that its scores are brought to. null: `labels.scale`."""


class ScoreLines(Import):
    """Lines of two scores and three ids, as the authors of Margin-MSE publish them."""

    form: Literal["scores"] = "scores"


class ScoredRun(Import, Draw):
    """A run of training queries, in TREC's form; or in MS MARCO's top-1000 form, which has no scores and takes `scale:
    rank`. A triple's positive is relevant by the qrels, or one of the run's best. Its negatives are other passages of
    the run.
    """

    form: Literal["run"]

    count: Annotated[int, Field(ge=1)] | None = None
    """How many triples are drawn. null: all."""

    positive_ranks: Annotated[int, Field(ge=1)] | None = None
    """If no passage of the run is relevant to a query by the qrels, this many of its best passages are positives. So
    unlabelled queries teach too. null: queries without a relevant passage are left out."""

    @model_validator(mode="after")
    def has_negatives_below(self) -> Self:
        if self.positive_ranks and self.positive_ranks + self.negatives > self.negatives_from:
            raise ValueError(
                f"positive_ranks is {self.positive_ranks} and negatives {self.negatives}, together more than "
                f"negatives_from, {self.negatives_from}"
            )
        return self


class FlagEmbeddingLists(Import, Lists):
    """JSON lines of texts with `pos_scores` and `neg_scores`, as FlagEmbedding distils from them."""

    form: Literal["flagembedding"]


class SentenceTransformersLists(Import, Lists):
    """JSON lines or Parquet of texts with scores, as sentence-transformers mines them and distils from them."""

    form: Literal["sentence-transformers"]


IMPORTS: Mapping[str, type[Import]] = {
    "scores": ScoreLines,
    "run": ScoredRun,
    "flagembedding": FlagEmbeddingLists,
    "sentence-transformers": SentenceTransformersLists,
}

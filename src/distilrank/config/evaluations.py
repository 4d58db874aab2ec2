"""The section for another collection: models are measured on it, but do not learn from it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, model_serializer, model_validator

from distilrank.artifacts.layout import OWN
from distilrank.data.sources.section import CollectionSection
from distilrank.data.sources.table import SOURCES, table_name
from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.sections.base import ModelName, Section
from distilrank.sections.data import Candidates
from distilrank.sections.measuring import Relevances, RerankedDepth
from distilrank.sections.tables import one_of

# A choice built from a table, which the type checker cannot know.
if TYPE_CHECKING:
    Collection = CollectionSection
else:
    Collection = one_of("source", SOURCES, table_name)


def _other_name(name: str) -> str:
    if name == OWN:
        raise ValueError(f"choose another name: {name} is the one that models learn from")
    if name in (RERANK, RETRIEVE):
        raise ValueError(f"choose another name: {name} is a task")
    return name


EvaluationName = Annotated[ModelName, AfterValidator(_other_name)]


class OtherCollection(Section):
    """A collection that models are measured on and do not learn from."""

    collection: Collection = Field(json_schema_extra={"flat": True})
    """Which passages, queries and qrels."""

    candidates: Candidates = Candidates()
    """The passages to re-rank."""

    depth: RerankedDepth | None = None
    """Candidates per query that are re-ranked, at most its `candidates.depth`. null: `evaluation.depth`."""

    minimum_relevance: Relevances = 1
    """The lowest grade that is relevant, except for nDCG. One grade for all its test sets, or one for each by name."""

    count_absent: bool = False
    """Whether judged passages that the collection lacks count, as passages that no ranker finds. trec_eval counts them.
    Use it for official qrels on a pool of passages.
    """

    @model_validator(mode="before")
    @classmethod
    def from_flat_keys(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        own = {key: given[key] for key in cls.model_fields if key in given and key != "collection"}
        return own | {"collection": {key: value for key, value in given.items() if key not in own}}

    @model_serializer(mode="wrap")
    def with_flat_keys(self, dumped: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        keys = dumped(self)
        return {**keys.pop("collection"), **keys}

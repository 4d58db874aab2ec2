"""The section on systems: what searches by several rankers together, by fusion or by a cascade."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from distilrank.sections.base import RankerName, Section
from distilrank.sections.tables import one_of
from distilrank.sections.weights import Weights

SystemDepth = Annotated[int, Field(ge=1, le=1000)]
# What a member's scores of one query are brought to, before they are added up.
FusionScale = Literal["min-max", "z", "rank", "none"]


class Fusion(Section):
    """Members that each search all passages. Their runs are joined into one."""

    fuse: Annotated[list[RankerName], Field(min_length=2)]
    """What searches: `bm25`, models that search all passages, such as dot-T1, and their indexes, such as
    dot-hnsw-T1."""

    by: str
    """How runs are joined: by ranks or by scores."""

    depth: SystemDepth = 100
    """How many of each member's best passages count, at most `candidates.depth`."""

    @model_validator(mode="after")
    def counts_each_member_once(self) -> Self:
        if len(set(self.fuse)) < len(self.fuse):
            raise ValueError(f"name each member of fuse once; they are {self.fuse}")
        return self


class ReciprocalRanks(Fusion):
    """Reciprocal rank fusion."""

    by: Literal["rrf"]

    def __str__(self) -> str:
        """As the report has it."""
        return f"{' + '.join(self.fuse)}, by reciprocal ranks"

    k: float = Field(ge=0, default=60)
    """A passage gets 1 / (k + rank) from each member. With a larger k, the first ranks stand out less."""


class WeightedSum(Fusion):
    """The weighted sum of the members' scaled scores."""

    by: Literal["weights"]

    def __str__(self) -> str:
        """As the report has it."""
        return f"{' + '.join(self.fuse)}, by weights{', tuned' if self.weights == 'tuned' else ''}"

    weights: Weights = "tuned"
    """How much each member counts: a number for each; or `tuned`, the weights that search best by `validation.measure`
    on `validation.queries` dev queries."""

    scale: FusionScale = "min-max"
    """The scale that a member's scores of a query are brought to first. min-max: from 0 to 1. z: mean 0 and standard
    deviation 1. rank: the share of the member's other passages that are below. none: as they are."""

    @model_validator(mode="after")
    def weighs_each_member(self) -> Self:
        given = self.weights
        if isinstance(given, dict) and (set(given) != set(self.fuse) or not sum(given.values())):
            raise ValueError(
                f"weights must have a number for each of {self.fuse}, at least one above 0; they are {given}"
            )
        return self


class Cascade(Section):
    """A first stage searches, and a ranker re-ranks its best passages."""

    first: RankerName
    """What searches: `bm25`, a model that searches all passages, an index of it, or another system."""

    rerank: RankerName
    """The ranker that re-ranks: any model by its name in the results, such as colbert-T1."""

    depth: SystemDepth = 20
    """How many passages per query it re-ranks, at most `candidates.depth`. The others follow, in the order of the
    first stage."""

    def __str__(self) -> str:
        """As the report has it."""
        return f"{self.rerank} re-ranks the best {self.depth} of {self.first}"


def _kind(system: Any) -> str:
    keys = system if isinstance(system, dict) else system.model_dump()
    return "cascade" if "rerank" in keys else "fusion"


System = Fusion | Cascade
# One of the table's, which the type checker cannot know.
if TYPE_CHECKING:
    AnyFusion = Fusion
else:
    AnyFusion = one_of("by", {"rrf": ReciprocalRanks, "weights": WeightedSum})
AnySystem = Annotated[Annotated[AnyFusion, Tag("fusion")] | Annotated[Cascade, Tag("cascade")], Discriminator(_kind)]

"""A ranker's entry in params.yaml, and what can be known of a ranker before it exists."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from distilrank.sections.base import Section


class RankerParams(Section):
    """What the entries of all architectures have. Importing an entry's class imports no torch."""

    # Makes one vector per text, which an index can hold.
    one_vector: ClassVar[bool] = False
    # Makes one vector per token of a passage, which a passage store holds.
    vector_per_token: ClassVar[bool] = False
    # Compares texts by MaxSim: the highest product of each query vector with a passage's vectors, summed.
    takes_maxsim: ClassVar[bool] = False
    # Makes one sparse vector per text, with a weight for each term, which an inverted index holds.
    weighs_terms: ClassVar[bool] = False
    # Has a pretrained transformer, from whose layers a student can start.
    has_transformer: ClassVar[bool] = True
    # Takes maxima. Where rounding makes another entry the highest, the gradient goes to that one.
    takes_maxima: ClassVar[bool] = False
    # Rounds stored passages to float16, and its scores with them.
    stored_in_half: ClassVar[bool] = False

    # Reads query and passage joined, so that the cost of scoring is in the pairs.
    reads_pairs: ClassVar[bool] = False
    # Compares encoded texts by products only, so it can score every query with every passage of a batch, and teach
    # there.
    meets_in_products: ClassVar[bool] = False

    architecture: str
    """Which one."""

    layers: int = Field(ge=1)
    """How many transformer layers it has: the lowest of the backbone or teacher."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts that may have a learning rate of their own."""
        return ()

    @property
    def reads_pooler(self) -> bool:
        """Whether it uses its backbone's pooler, which is then kept."""
        return False

    @property
    def penalised(self) -> bool:
        """Whether a training adds the ranker's `penalty` to its loss."""
        return False

    @property
    def reads_mask(self) -> bool:
        """Whether it puts [MASK] behind queries."""
        return False

    @property
    def files(self) -> Mapping[str, str]:
        """The files that replace a backbone as the source of its first weights, by the keys that name them."""
        return {}

    def why_not_from(self, teacher: "RankerParams") -> str | None:
        """Why it cannot start from the layers of a trained `teacher`. None if it can."""
        if not teacher.has_transformer:
            return "which has no transformer"
        if self.reads_pooler and not teacher.reads_pooler:
            return "which has no pooler"
        if self.has_transformer and self.layers > teacher.layers:
            return f"which has {teacher.layers} layers"
        if self.files:
            return f"since its {' and '.join(self.files)} takes their place: set start: backbone"
        return None


class ScaledParams(RankerParams):
    """Scores are products of vectors, times a scale.

    A cosine is between -1 and 1, while a teacher's margins are about 10: without a scale it cannot reach them.
    """

    normalise: bool = False
    """Whether vectors have length 1, so that products are cosines."""

    scale: float = Field(gt=0, default=1.0)
    """The factor of products. With `learn_scale`, the factor at the start."""

    learn_scale: bool = False
    """Whether the scale is learned. It may then have a learning rate of its own."""

    @property
    def parts(self) -> tuple[str, ...]:
        return ("scale",) if self.learn_scale else ()

"""A ranker's entry in params.yaml, and what others may ask of it before there is a ranker."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from distilrank.sections.base import Section


class RankerParams(Section):
    """What the entries of all architectures have. Importing an entry's class imports no torch."""

    # It makes one vector per text, which an index can hold.
    one_vector: ClassVar[bool] = False
    # It makes one vector per token of a passage, which a passage store holds.
    vector_per_token: ClassVar[bool] = False
    # It compares texts by MaxSim: the highest product of each query vector with a passage's, summed.
    takes_maxsim: ClassVar[bool] = False
    # It makes one sparse vector per text, a weight for each term, which an inverted index holds.
    weighs_terms: ClassVar[bool] = False
    # It stands on a pretrained transformer, whose layers a student can start from.
    has_transformer: ClassVar[bool] = True
    # It takes maxima, whose gradient goes to another place where rounding makes another one the highest.
    takes_maxima: ClassVar[bool] = False
    # Its stored passages are rounded to float16, and with them its scores.
    stored_in_half: ClassVar[bool] = False

    # What it costs to score lies in pairs, which a transformer reads joined.
    reads_pairs: ClassVar[bool] = False
    # Encoded texts meet in products alone: it scores every query with every passage of a batch, and can teach there.
    meets_in_products: ClassVar[bool] = False

    architecture: str
    """Which one."""

    layers: int = Field(ge=1)
    """How many transformer layers it has: the lowest of the backbone or teacher."""

    @property
    def parts(self) -> tuple[str, ...]:
        """What may learn at a rate of its own."""
        return ()

    @property
    def reads_pooler(self) -> bool:
        """Whether its backbone keeps its pooler."""
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
        """The files that it takes its first weights from in place of a backbone, by the keys that name them."""
        return {}

    def why_not_from(self, teacher: "RankerParams") -> str | None:
        """Why it cannot start from the layers of a trained `teacher`; None where it can."""
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

    A cosine reaches from -1 to 1, and a teacher's margins are about 10: without a scale they are out of its reach.
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

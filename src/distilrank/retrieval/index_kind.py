"""What all kinds of index have in common: entries of `indexes` in params.yaml."""

from typing import ClassVar

from distilrank.rankers.params import RankerParams
from distilrank.sections.base import ModelName, Section


class IndexKind(Section):
    """An entry of `indexes` in params.yaml. Importing it imports neither torch nor Faiss."""

    # Whether it stores what a student's models compute of passages. Such an entry goes by the student's name.
    is_exact: ClassVar[bool] = False
    # Whether it searches all passages, or re-ranks alone.
    searches: ClassVar[bool] = True
    # Whether exact search must go before it, or a store that only re-ranks is enough.
    needs_search: ClassVar[bool] = True
    # What it asks of a ranker.
    holds: ClassVar[str] = "one vector per text"

    kind: str
    """Which one."""

    of: ModelName | None = None
    """The student whose models it searches. null: the one that the entry is named after."""

    @classmethod
    def can_hold(cls, ranker: RankerParams) -> bool:
        """Whether it can hold the encodings of such a ranker."""
        return ranker.one_vector

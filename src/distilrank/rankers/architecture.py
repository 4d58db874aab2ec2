"""What the package knows of an architecture: its params, its ranker, and how other libraries have it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from distilrank.rankers.params import RankerParams

if TYPE_CHECKING:
    from distilrank.rankers.base import Ranker


@dataclass(frozen=True)
class PublishedFacts:
    """What a published checkpoint tells of its ranker; `dimension` is that of a compressor, if it has one."""

    layers: int
    dimension: int | None
    has_pooler: bool
    config: Mapping[str, Any]


class WrongFact(Exception):
    """A key of a published config.json has a value that no ranker can have."""

    def __init__(self, key: str, got: object, expected: str) -> None:
        super().__init__(key)
        self.key, self.got, self.expected = key, f"{key} {got!r}", expected


class Architecture(ABC):
    """One per folder. Importing it imports no torch: its methods do."""

    params: ClassVar[type[RankerParams]]
    # Whether `exported`, of the module `export` of its folder, makes models of sentence-transformers of its rankers.
    can_be_exported: ClassVar[bool] = False

    @abstractmethod
    def ranker(self) -> "type[Ranker]":
        """The class of its rankers."""

    @abstractmethod
    def examples(self, layers: int, width: int) -> Mapping[str, RankerParams]:
        """Entries that differ in what is computed, by a name, for a backbone of so many layers and such a width."""


class PublishedArchitecture(Architecture):
    """One of which the authors of arXiv 2010.02666 published checkpoints."""

    # Whether their linear head has a bias.
    published_head_has_bias: ClassVar[bool] = True

    @abstractmethod
    def published(self, facts: PublishedFacts) -> RankerParams:
        """The entry of a published checkpoint. Raises WrongFact."""

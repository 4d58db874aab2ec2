"""What the package knows of an architecture: its params, its ranker, and its form in other libraries."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from distilrank.rankers.params import RankerParams

if TYPE_CHECKING:
    from distilrank.rankers.base import Ranker


@dataclass(frozen=True)
class PublishedFacts:
    """What a published checkpoint says of its ranker. `dimension` is that of its compressor, if it has one."""

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
    """An architecture, one per folder. Importing it imports no torch: only its methods do."""

    params: ClassVar[type[RankerParams]]
    # Whether the folder has a module `export`, whose `exported` turns its rankers into models of sentence-transformers.
    can_be_exported: ClassVar[bool] = False

    @abstractmethod
    def ranker(self) -> "type[Ranker]":
        """The class of its rankers."""

    @abstractmethod
    def examples(self, layers: int, width: int) -> Mapping[str, RankerParams]:
        """Named entries that compute different things, for a backbone with this number of layers and this width."""


class PublishedArchitecture(Architecture):
    """An architecture of which the authors of arXiv 2010.02666 published checkpoints."""

    # Whether the linear head of these checkpoints has a bias.
    published_head_has_bias: ClassVar[bool] = True

    @abstractmethod
    def published(self, facts: PublishedFacts) -> RankerParams:
        """The entry in params.yaml for a published checkpoint. Raises WrongFact."""

"""What the package knows of an architecture: its params, its ranker, and how other libraries have it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from distilrank.errors import CheckpointError
from distilrank.rankers.params import RankerParams

if TYPE_CHECKING:
    from distilrank.rankers.base import Ranker


class Saved(Protocol):
    """A model of sentence-transformers."""

    def save(self, path: str, *, create_model_card: bool) -> None: ...


@dataclass(frozen=True)
class Exported:
    """A ranker for another library; `told` stands in the manifest beside it."""

    model: Saved
    told: Mapping[str, float] = field(default_factory=dict)


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
    # Whether the authors of arXiv 2010.02666 published checkpoints of it, and whether their linear head has a bias.
    is_published: ClassVar[bool] = False
    published_head_has_bias: ClassVar[bool] = True

    @abstractmethod
    def ranker(self) -> "type[Ranker]":
        """The class of its rankers."""

    @abstractmethod
    def examples(self, layers: int, width: int) -> Mapping[str, RankerParams]:
        """Entries that differ in what is computed, by a name, for a backbone of so many layers and such a width."""

    def exported(self, ranker: "Ranker", model: Path) -> Exported:
        """A ranker as sentence-transformers reads it. Raises CheckpointError where that has no place for it."""
        raise CheckpointError(
            model,
            got=f"a ranker {ranker.config.ranker}",
            expected="one that other libraries know, such as dot, cat, or colbert without query_masks",
            remedy="export another model",
        )

    def published(self, facts: PublishedFacts) -> RankerParams:
        """The entry of a published checkpoint. Raises WrongFact."""
        raise NotImplementedError(f"{self.params.__name__} is not published")

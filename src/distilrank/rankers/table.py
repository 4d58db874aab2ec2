"""The table of architectures. Another package adds one as an entry point of the group `distilrank.rankers`."""

from distilrank.rankers.architecture import Architecture
from distilrank.rankers.cat import Cat
from distilrank.rankers.classifier import Classifier
from distilrank.rankers.colbert import Colbert
from distilrank.rankers.dot import Dot
from distilrank.rankers.prettr import Prettr
from distilrank.rankers.splade import Splade
from distilrank.rankers.tk import Tk
from distilrank.sections.tables import Table

ARCHITECTURES: Table[Architecture] = Table(
    "distilrank.rankers",
    {
        "cat": Cat(),
        "prettr": Prettr(),
        "colbert": Colbert(),
        "dot": Dot(),
        "tk": Tk(),
        "splade": Splade(),
    },
)
# Those that a checkpoint may be, and that no params begin.
_OF_CHECKPOINTS: dict[str, Architecture] = {"classifier": Classifier()}


def architecture_of(name: str) -> Architecture:
    """What a ranker's config.json names."""
    return _OF_CHECKPOINTS.get(name) or ARCHITECTURES[name]

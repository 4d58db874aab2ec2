"""The table of architectures. Another package adds one as an entry point of the group `distilrank.rankers`."""

import json
from pathlib import Path

from distilrank.artifacts.files import built
from distilrank.rankers.architecture import Architecture
from distilrank.rankers.cat import Cat
from distilrank.rankers.classifier import Classifier
from distilrank.rankers.colbert import Colbert
from distilrank.rankers.dot import Dot
from distilrank.rankers.params import RankerParams
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
# Architectures of checkpoints, which no params begin.
_OF_CHECKPOINTS: dict[str, Architecture] = {"classifier": Classifier()}


def trained_params(model: Path) -> RankerParams:
    """The entry in the config.json of a ranker's directory. Raises MissingInput."""
    entry = json.loads(built(model / "config.json").read_text("utf-8"))["ranker"]
    return architecture_of(entry["architecture"]).params.model_validate(entry)


def architecture_of(name: str) -> Architecture:
    """The architecture that a ranker's config.json names."""
    return _OF_CHECKPOINTS.get(name) or ARCHITECTURES[name]

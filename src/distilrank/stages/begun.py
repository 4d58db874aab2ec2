"""A ranker as its training begins."""

from pathlib import Path
from typing import TYPE_CHECKING

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.data.backbone import locate_backbone
from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import Ranker
from distilrank.rankers.loading import begin_ranker, pretrained, trained

# They reach the losses, which no measurement depends on.
if TYPE_CHECKING:
    from distilrank.config.models import Student, Teacher


def begun(params: Params, section: "Teacher | Student", layers_of: Path | None) -> Ranker:
    """A ranker as its training begins, on the layers of a trained one or of its backbone.

    What is its own, such as a head, is as the random seed has it. Raises BackboneError, MissingInput.
    """
    source = trained(layers_of) if layers_of else pretrained(locate_backbone(section.backbone or params.backbone))
    return begin_ranker(section.ranker, source, params.tokens, TextTokenizer(layout.TOKENS))

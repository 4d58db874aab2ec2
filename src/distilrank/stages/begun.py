"""What a ranker's training begins from, and the ranker as it begins."""

from pathlib import Path
from typing import TYPE_CHECKING

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.config.starts import Source
from distilrank.data.backbone import locate_backbone
from distilrank.data.tokenizer import TextTokenizer, refuse_other_vocabulary
from distilrank.rankers.base import Ranker
from distilrank.rankers.origin import Origin

# They reach the losses, which no measurement depends on.
if TYPE_CHECKING:
    from distilrank.config.models import Student, Teacher


def origin_of(params: Params, source: Source, tokens: Path) -> Origin:
    """Where a ranker's first weights are. Raises BackboneError, also if the vocabulary differs from that of the
    stored tokens."""
    located = layout.MODELS / source.model if source.model else locate_backbone(source.pretrained or params.backbone)
    refuse_other_vocabulary(located, TextTokenizer(tokens))
    return Origin(located, source.layers)


def begun(params: Params, section: "Teacher | Student", origin: Origin, tokens: Path) -> Ranker:
    """A ranker as its training begins. Raises BackboneError, MissingInput."""
    return origin.begin(section.ranker, params.tokens, TextTokenizer(tokens))

"""Students that start from a given teacher's layers: only its checkpoint tells whether they can."""

from itertools import product
from pathlib import Path

from distilrank.config.params import Params
from distilrank.config.starts import own_backbone, source_of
from distilrank.data.backbone import locate_description
from distilrank.data.tokenizer import TextTokenizer, refuse_other_vocabulary
from distilrank.errors import ParamsError
from distilrank.rankers.params import RankerParams

_OTHER_WORDS = "set start: backbone for the students that start from it"


def refuse_other_words(params: Params, teacher: str, tokenizer: Path) -> None:
    """Raises BackboneError where students start from a teacher, and read other words than its tokenizer makes."""
    for name in _starting_from(params, teacher):
        own = locate_description(own_backbone(params, name))
        refuse_other_vocabulary(tokenizer, TextTokenizer(own), _OTHER_WORDS)


def refuse_other_layers(params: Params, teacher: str, ranker: RankerParams) -> None:
    """Raises ParamsError where a student cannot start from the layers of a teacher, which is such a ranker."""
    for name, layers in _starting_from(params, teacher).items():
        reason = params.student(name).ranker.why_not_from(ranker)
        if not reason and max(layers or [0]) >= ranker.layers:
            reason = f"of {ranker.layers} layers, counted from 0"
        if reason:
            raise ParamsError(
                f"students.{name}",
                got=f"a start from {teacher}, but that is one {reason}",
                expected="a teacher with the layers that it starts from",
                remedy="set start: backbone for it, or give it other layers",
            )


def _starting_from(params: Params, teacher: str) -> dict[str, tuple[int, ...] | None]:
    """The students that start from a teacher, which may be the first of an ensemble, with the layers that they take."""
    pairs = product(params.students, params.matrix.teachers)
    sources = [(name, source_of(params, name, one)) for name, one in pairs]
    return {name: source.layers for name, source in sources if source.model == teacher}

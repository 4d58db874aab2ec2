"""Refuses a given teacher for what the params use it for. Only its checkpoint tells what it can do."""

from itertools import product
from pathlib import Path

from distilrank.config.derived import read_by
from distilrank.config.params import Params
from distilrank.config.starts import source_of
from distilrank.data.backbone import locate_description
from distilrank.data.tokenizer import TextTokenizer, refuse_other_vocabulary
from distilrank.errors import ParamsError
from distilrank.rankers.params import RankerParams

_OTHER_WORDS = "set start: backbone for the students that start from it"


def refuse_other_words(params: Params, teacher: str, tokenizer: Path) -> None:
    """Raises BackboneError if students start from a teacher, but their tokens are not those of its tokenizer."""
    for name in _starting_from(params, teacher):
        own = locate_description(read_by(params, params.student(name)))
        refuse_other_vocabulary(tokenizer, TextTokenizer(own), _OTHER_WORDS)


def refuse_unfit(params: Params, teacher: str, ranker: RankerParams) -> None:
    """Raises ParamsError if a teacher that is such a ranker cannot do what the params use it for."""
    for name, layers in _starting_from(params, teacher).items():
        reason = params.student(name).ranker.why_not_from(ranker)
        if not reason and max(layers or [0]) >= ranker.layers:
            reason = f"which has {ranker.layers} layers, counted from 0"
        if reason:
            expected, remedy = "a teacher with the layers that it takes", "set start: backbone for it, or other layers"
            raise _unfit(f"students.{name}.start", f"{teacher}, {reason}", expected, remedy)
    refuse_other_uses(params, teacher, ranker.architecture, ranker.meets_in_products, ranker.one_vector)


def refuse_other_uses(params: Params, teacher: str, kind: str, meets_in_products: bool, one_vector: bool) -> None:
    """Raises ParamsError if the params let a teacher of such a kind score batches or search, and it cannot."""
    what = f"{teacher}, which is {kind}"
    for name, student in params.students.items():
        if student.in_batch and student.in_batch.teacher == teacher and not meets_in_products:
            expected = "one whose texts meet in products, such as dot or colbert"
            raise _unfit(f"students.{name}.in_batch.teacher", what, expected, "name another teacher there")
    for name, mined in params.mined_triples().items():
        if teacher in mined.models() and not one_vector:
            raise _unfit(f"triples.{name}.from", what, "dense rankers, which search", "leave it out there")


def _unfit(where: str, got: str, expected: str, remedy: str) -> ParamsError:
    return ParamsError(where, got=got, expected=expected, remedy=remedy)


def _starting_from(params: Params, teacher: str) -> dict[str, tuple[int, ...] | None]:
    """The students that start from a teacher, which may be the first of an ensemble, with the layers that they take."""
    pairs = product(params.students, params.matrix.teachers)
    sources = [(name, source_of(params, name, one)) for name, one in pairs]
    return {name: source.layers for name, source in sources if source.model == teacher}

"""Students that start from a given teacher's layers: only its checkpoint tells whether they can."""

from pathlib import Path

from distilrank.config.params import Params
from distilrank.data.backbone import locate_description
from distilrank.data.tokenizer import TextTokenizer, refuse_other_vocabulary
from distilrank.errors import ParamsError
from distilrank.rankers.params import RankerParams

OTHER_WORDS = "set start: backbone for the students that it teaches"


def refuse_other_words(params: Params, teacher: str, tokenizer: Path) -> None:
    """Raises BackboneError where students start from a teacher, and read other words than its tokenizer makes."""
    if _starting_from(params, teacher):
        refuse_other_vocabulary(tokenizer, TextTokenizer(locate_description(params.backbone)), OTHER_WORDS)


def refuse_other_layers(params: Params, teacher: str, ranker: RankerParams) -> None:
    """Raises ParamsError where a student cannot start from the layers of a teacher, which is such a ranker."""
    for name in _starting_from(params, teacher):
        if reason := params.student(name).ranker.why_not_from(ranker):
            raise ParamsError(
                f"students.{name}",
                got=f"start: teacher, but {teacher} is one {reason}",
                expected="a teacher with the layers that it starts from",
                remedy="set start: backbone for it, or give it other layers",
            )


def _starting_from(params: Params, teacher: str) -> list[str]:
    """The students that start from a teacher, which may be the first of an ensemble."""
    if not any(params.members(one)[:1] == [teacher] for one in params.matrix.teachers):
        return []
    return [name for name, student in params.students.items() if student.start == "teacher"]

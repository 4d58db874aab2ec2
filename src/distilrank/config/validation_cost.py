"""A rough estimate of what validations cost beside the training itself, by the passages that both read."""

from collections.abc import Iterator

from distilrank.config.models import Student, Teacher
from distilrank.config.params import Params
from distilrank.sections.data import GivenTriples

MOST = 0.15
# The cost of a passage in a training step: the gradient takes twice as long as the forward pass.
_STEP = 3


def validation_share(params: Params, section: Teacher | Student) -> float:
    """The cost of a validation, as a share of that of the steps since the last one."""
    training, validation = section.training, params.validation
    triples = params.triples[params.learned_by(section)]
    passages = 1 + (1 if isinstance(triples, GivenTriples) else triples.negatives)
    steps = training.validate_every * training.accumulate * training.batch_size * passages * _STEP
    searched = validation.passages or 0 if section.ranker.one_vector else 0
    return (validation.queries * validation.depth + searched) / steps


def costly_validations(params: Params) -> Iterator[str]:
    """A line for each teacher or student whose validations cost more than they should."""
    for kind, sections in (("teachers", params.trained_teachers()), ("students", params.students)):
        for name, section in sections.items():
            if (share := validation_share(params, section)) > MOST:
                yield (
                    f"{kind}.{name}: validating takes about {share:.0%} of the time of its steps, more than "
                    f"{MOST:.0%}: "
                    "raise its training.validate_every, or lower validation.queries, depth or passages"
                )

"""What follows from the params for labels: which sets of triples are built, and who labels them."""

from itertools import chain, product
from typing import TYPE_CHECKING

from distilrank.config.names import IMPORTED
from distilrank.sections.data import BM25
from distilrank.sections.imports import ScoredRun
from distilrank.sections.labels import ScaleRule

if TYPE_CHECKING:
    from distilrank.config.entries import Entries


def learns_from_imports_alone(params: "Entries") -> bool:
    """Whether nothing learns from the sets of `triples`: there is no control and no trained teacher, and only imports
    teach."""
    matrix = params.matrix
    return set(matrix.teachers) <= set(params.imports) and not (
        matrix.controls or matrix.controls_per_teacher or params.trained_teachers()
    )


def may_teach_unlabelled(params: "Entries", teacher: str) -> bool:
    """Whether a teacher's labels may include queries without qrels. An import's labels do where the params ask for
    it."""
    if teacher not in params.imports:
        return params.unlabelled is not None
    section = params.imports[teacher]
    return isinstance(section, ScoredRun) and section.positive_ranks is not None


def learns_without_qrels(params: "Entries") -> bool:
    """Whether no training query needs a relevant passage."""
    return learns_from_imports_alone(params) and all(
        may_teach_unlabelled(params, teacher) for teacher in params.matrix.teachers
    )


def built_triples(params: "Entries") -> list[str]:
    """The sets of `triples` that are built: none if nothing learns from them."""
    return [] if learns_from_imports_alone(params) else list(params.triples)


def labelled_sets(params: "Entries") -> list[str]:
    """The sets of triples that students learn from. Every teacher and ensemble labels them."""
    learned = map(params.learned_by, params.students.values())
    return [name for name in dict.fromkeys(learned) if name in built_triples(params)]


def lexical_teachers(params: "Entries") -> list[str]:
    """BM25 if it teaches, by itself or in an ensemble; else nothing."""
    named = [params.matrix.teachers, *(ensemble.members for ensemble in params.ensembles.values())]
    return [BM25] if any(BM25 in names for names in named) else []


def tuned_members(params: "Entries") -> list[str]:
    """The members of ensembles with tuned weights. They score candidates of dev queries."""
    tuned = [ensemble.members for ensemble in params.ensembles.values() if ensemble.weights == "tuned"]
    return list(dict.fromkeys(chain.from_iterable(tuned)))


def labels(params: "Entries") -> list[tuple[str, str]]:
    """All labels that are made, as (set of triples, teacher): those of teachers and ensembles, then of imports."""
    teachers = [*params.teachers, *lexical_teachers(params), *params.ensembles]
    return [*product(labelled_sets(params), teachers), *((IMPORTED, name) for name in params.imports)]


def scale_of_labels(params: "Entries", teacher: str) -> ScaleRule:
    """The scale that a teacher's labels are brought to. An import may have its own."""
    own = params.imports[teacher].scale if teacher in params.imports else None
    return own or params.labels.scale

"""Circles in the params: something that needs itself, such as triples mined by a model that learns from them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from distilrank.config.derived import distillations, in_batch_teacher
from distilrank.config.starts import source_of
from distilrank.config.systems import searched_by

if TYPE_CHECKING:
    from distilrank.config.derived import Distillation
    from distilrank.config.entries import Entries

Needs = Mapping[str, list[str]]


def circle_of(params: "Entries") -> list[str] | None:
    """The names along a circle, from one name round to itself; None if there is no circle."""
    needs, whole = _needs(params), set[str]()
    for one in needs:
        if found := _circle_from([one], needs, whole):
            return found
    return None


def _circle_from(path: list[str], needs: Needs, whole: set[str]) -> list[str] | None:
    """A circle that `path` leads into. The names in `whole` are known to lead into none."""
    *before, last = path
    if last in before:
        return path[before.index(last) :]
    if last in whole:
        return None
    for needed in needs.get(last, []):
        if found := _circle_from([*path, needed], needs, whole):
            return found
    whole.add(last)
    return None


def _needs(params: "Entries") -> Needs:
    """What each set of mined triples, teacher, student and system needs, as in dvc.yaml."""
    mined = {
        _set(name): [*one.models(), *([one.filter.teacher] if one.filter else [])]
        for name, one in params.mined_triples().items()
    }
    teachers = {name: [_set(params.learned_by(teacher))] for name, teacher in params.trained_teachers().items()}
    students = {
        one.model: _needs_of(params, one) for student in params.students for one in distillations(params, student)
    }
    systems = {_system(name): [_system(other) for other in searched_by(one)] for name, one in params.systems.items()}
    return mined | teachers | students | systems


def _needs_of(params: "Entries", one: "Distillation") -> list[str]:
    """What a training needs: the triples, whoever labels them, its start, and the teacher of its batches."""
    start = source_of(params, one.student, one.teacher).model
    # An ensemble's labels wait for all teachers' scores of the set.
    members = params.members(one.teacher) if one.teacher else []
    labelled_by = [*params.teachers] if one.teacher in params.ensembles else members
    return [_set(one.triples), *labelled_by, *filter(None, (start, in_batch_teacher(params, one)))]


def _system(name: str) -> str:
    return f"systems.{name}"


def _set(triples: str) -> str:
    return f"triples.{triples}"

"""What follows from the section `systems`: what systems may name, their order, and where each is measured."""

from collections.abc import Iterator
from itertools import chain, product
from typing import TYPE_CHECKING, NamedTuple

from distilrank.artifacts import layout
from distilrank.config.derived import built_indexes, encoded_models, model_names, searching
from distilrank.config.names import distilled_name
from distilrank.config.starts import student_of
from distilrank.errors import nearest
from distilrank.sections.data import BM25
from distilrank.sections.measures import cutoff_of
from distilrank.sections.systems import Cascade, Fusion, System

if TYPE_CHECKING:
    from distilrank.config.entries import Entries


class Depths(NamedTuple):
    """How many passages a search looks at, and how many it answers with."""

    searched: int
    answered: int


def first_stages(params: "Entries") -> list[str]:
    """What answers a query's text from the collection that models learn from, systems aside.

    These are BM25, the models that search stored encodings of all passages, and the indexes of these.
    """
    indexes = [one.name for one in built_indexes(params, only_searched=True)]
    return [BM25, *encoded_models(params, only_searched=True), *indexes]


def searched_by(system: System) -> list[str]:
    """What a system searches with: the members of a fusion, or the first stage of a cascade."""
    return system.fuse if isinstance(system, Fusion) else [system.first]


def systems_in_order(params: "Entries") -> dict[str, System]:
    """All systems, each after the systems that it names."""
    ordered: dict[str, System] = {}

    def add(name: str) -> None:
        system = params.systems[name]
        for other in searched_by(system):
            if other in params.systems and other not in ordered:
                add(other)
        ordered[name] = system

    for name in params.systems:
        if name not in ordered:
            add(name)
    return ordered


def measured_systems(params: "Entries") -> list[tuple[str, str]]:
    """Each system on every collection that all its members search, as (collection, system).

    Indexes, and models that make several vectors per text, search only the collection that models learn from.
    """
    ordered = systems_in_order(params)
    return [
        (on, name)
        for on in (layout.OWN, *params.evaluations)
        for name in ordered
        if on == layout.OWN or all(one == BM25 or _searches(params, one, on) for one in leaves(params, name))
    ]


def _searches(params: "Entries", leaf: str, on: str) -> bool:
    """Whether a model searches another collection than that which models learn from."""
    return leaf in searching(params, on) and params.students[student_of(leaf)].ranker.one_vector


def leaves(params: "Entries", name: str) -> list[str]:
    """The first stages below a system."""
    below = (leaves(params, one) if one in params.systems else [one] for one in searched_by(params.systems[name]))
    return [one for some in below for one in some]


def deployed(params: "Entries") -> dict[str, Depths]:
    """What may answer people, each with the depths at which it is measured.

    This is BM25, baselines, teachers, taught students with their indexes, and systems. Models search if they can, and
    otherwise re-rank BM25's best. What searches answers with all that the primary measure looks at.
    """
    taught = [distilled_name(*pair) for pair in product(params.students, params.matrix.teachers)]
    searching_alone, looked_at = first_stages(params), cutoff_of(params.evaluation.primary, params.candidates.depth)
    rankers = [BM25, *params.baselines, *params.teachers, *taught]
    names = chain.from_iterable((ranker, *indexes_of(params, ranker)) for ranker in rankers)
    own = {name: looked_at if name in searching_alone else params.evaluation.depth for name in names}
    found = {name: Depths(depth, depth) for name, depth in own.items()}
    return found | {name: Depths(one.depth, max(one.depth, looked_at)) for name, one in params.systems.items()}


def indexes_of(params: "Entries", model: str) -> list[str]:
    """The names of a model's indexes."""
    return [one.name for one in built_indexes(params) if one.model == model]


def faults_of_systems(params: "Entries") -> Iterator[str]:
    """The unknown names in each system, with the nearest known name; and depths beyond what is searched."""
    stages = first_stages(params)
    for name, system in params.systems.items():
        where = f"systems.{name}"
        if isinstance(system, Cascade):
            others = [one for one in params.systems if one != name]
            yield from _strange(f"{where}.first", [system.first], [*stages, *others])
            yield from _strange(f"{where}.rerank", [system.rerank], model_names(params))
        else:
            yield from _strange(f"{where}.fuse", system.fuse, stages)
        searched = {"candidates": params.candidates} | {
            f"evaluations.{other}.candidates": one.candidates for other, one in params.evaluations.items()
        }
        for section, candidates in searched.items():
            if system.depth > candidates.depth:
                yield f"{where}.depth is {system.depth}, beyond {section}.depth, {candidates.depth}"


def _strange(where: str, given: list[str], known: list[str]) -> Iterator[str]:
    for name in given:
        if name not in known:
            meant = nearest(name, known, likeness=0.5)
            yield f"{where} may name {known}, not {name}" + (f": did you mean {meant}?" if meant else "")

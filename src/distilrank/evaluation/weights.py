"""Tunes the weights of rankers whose scores are added up: a search of the simplex, on queries that test nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import comb
from typing import NamedTuple

from distilrank.progress import progress

# The numbers of equal parts that 1 may be divided into, and the most divisions to try.
_PARTS, _MOST = (20, 10, 5, 4, 3, 2), 300


class Tuned(NamedTuple):
    """Weights by member, which sum to 1, and what is reached: by them, by each member alone, and by equal weights."""

    weights: dict[str, float]
    value: float
    alone: dict[str, float]
    alike: float


def tuned_weights(members: Sequence[str], effectiveness: Callable[[Mapping[str, float]], float]) -> Tuned:
    """The best weights among those that divide 1 into equal parts.

    The more members, the fewer parts, so that at most `_MOST` divisions are tried. A member alone is one of the
    divisions, so the result is never worse than any member. If several weights reach the same, those nearest to equal
    weights win.
    """
    parts = next((some for some in _PARTS if comb(some + len(members) - 1, some) <= _MOST), _PARTS[-1])
    divisions = list(_divisions(parts, len(members)))
    reached: dict[tuple[int, ...], float] = {}
    with progress("weights tried", len(divisions)) as advance:
        for division in divisions:
            reached[division] = effectiveness(_weights(members, division))
            advance(1)
    best = min(divisions, key=lambda one: (-reached[one], sum(part**2 for part in one)))
    alone = [tuple(parts * (one == member) for one in members) for member in members]
    alike = effectiveness(dict.fromkeys(members, 1 / len(members)))
    return Tuned(
        _weights(members, best), reached[best], dict(zip(members, map(reached.__getitem__, alone), strict=True)), alike
    )


def _divisions(parts: int, among: int) -> Iterator[tuple[int, ...]]:
    """Every way to divide `parts` parts among `among` members."""
    if among == 1:
        yield (parts,)
        return
    for own in range(parts + 1):
        for rest in _divisions(parts - own, among - 1):
            yield own, *rest


def _weights(members: Sequence[str], division: Sequence[int]) -> dict[str, float]:
    return {member: part / sum(division) for member, part in zip(members, division, strict=True)}

"""The weights of a sum, by coordinate search: one is moved at a time, and the others keep their proportions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from distilrank.artifacts.files import built, read_json, write_json

# Weights that are tried, from 0 to 1.
_STEPS = 20
Weights = tuple[float, ...]
_FILE = "weights.json"


@dataclass(frozen=True)
class Tuned:
    """By what, on how many dev queries, and the mean that the weights reach there."""

    measure: str
    queries: int
    value: float


@dataclass(frozen=True)
class ChosenWeights:
    """The weight of each member of a fusion, and how it was found: None where it was given."""

    weights: Mapping[str, float]
    tuned: Tuned | None

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Raises MissingInput."""
        told = read_json(built(directory / _FILE))
        return cls(told["weights"], Tuned(**told["tuned"]) if told["tuned"] else None)

    def write(self, directory: Path) -> None:
        write_json(directory / _FILE, asdict(self))


def tuned_weights(members: int, value_of: Callable[[Weights], float]) -> tuple[Weights, float]:
    """Weights that add up to 1, and their value, which no other weight of one member betters.

    It begins with equal weights. Of two members all weights in steps of 1/20 are tried. Of those that are equally good
    the nearest to where the search stands is taken.
    """
    known: dict[Weights, float] = {}

    def value(weights: Weights) -> float:
        if weights not in known:
            known[weights] = value_of(weights)
        return known[weights]

    best = _whole([1.0] * members)
    while True:
        before = value(best)
        for member in range(members):
            moved = [_moved(best, member, step / _STEPS) for step in range(_STEPS + 1)]
            here = best[member]
            best = max([best, *moved], key=lambda weights: (value(weights), -abs(weights[member] - here)))
        if value(best) <= before:
            return best, value(best)


def _moved(weights: Weights, member: int, to: float) -> Weights:
    others = sum(weights) - weights[member]
    if others > 0:
        moved = [weight * (1 - to) / others for weight in weights]
    else:
        moved = [(1 - to) / (len(weights) - 1)] * len(weights)
    moved[member] = to
    return _whole(moved)


def _whole(weights: Sequence[float]) -> Weights:
    """In six digits, so that the same weights are known again."""
    return tuple(round(weight / sum(weights), 6) for weight in weights)

"""What each ranker costs and reaches: its training, its size, what it stores, and its time."""

from dataclasses import dataclass

from distilrank.artifacts import layout
from distilrank.artifacts.costs import Cost
from distilrank.artifacts.manifest import read_manifest
from distilrank.evaluation.latency import BEFOREHAND, SINGLE
from distilrank.evaluation.tasks import RERANK
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.results import effectiveness


@dataclass(frozen=True)
class Way:
    """A way to re-rank, and its costs: passages are encoded when a request brings them, or beforehand.

    None means not measured.
    """

    beforehand: bool
    milliseconds: float | None
    bytes_per_passage: float | None


@dataclass(frozen=True)
class Costs:
    """What a ranker reaches and costs; None means not measured.

    parameters: those that it was trained with. milliseconds: the time of a request to re-rank as a server gets it, with
    nothing stored. beforehand: the time if the passages are encoded beforehand, which stores bytes_per_passage.
    """

    ranker: ReportedRanker
    effectiveness: float
    milliseconds: float | None
    beforehand: float | None
    bytes_per_passage: float | None
    parameters: int | None
    training_minutes: float | None
    training_kilojoules: float | None = None

    @property
    def ways(self) -> list[Way]:
        """Re-ranking as it is served and, if passages can be encoded beforehand, that way too."""
        served = Way(False, self.milliseconds, None if self.bytes_per_passage is None else 0.0)
        return [served, *([Way(True, self.beforehand, self.bytes_per_passage)] if self.bytes_per_passage else [])]


def costs(inputs: ReportInputs) -> list[Costs]:
    """The costs of all that can be shipped: starts, which are measured untrained, are left out."""
    served, beforehand = (inputs.latency.medians(RERANK, how) for how in (SINGLE, BEFOREHAND))
    return [
        Costs(
            ranker,
            effectiveness(inputs, ranker),
            served.get(ranker.name),
            beforehand.get(ranker.name),
            inputs.latency.bytes_per_passage.get(ranker.name),
            *_of_training(ranker),
        )
        for ranker in inputs.rankers
        if ranker.role != "start" and ranker.name in inputs.runs
    ]


def dominating(every: list[Costs]) -> list[Costs]:
    """The Pareto front of what is served, fastest first.

    For each of them, no other is both as fast and better, or both as good and faster.
    """
    timed = [one for one in every if one.milliseconds is not None]
    front: list[Costs] = []
    for one in sorted(timed, key=lambda one: (one.milliseconds or 0.0, -one.effectiveness)):
        if not front or one.effectiveness > front[-1].effectiveness:
            front.append(one)
    return front


def _of_training(ranker: ReportedRanker) -> tuple[int | None, float | None, float | None]:
    model = layout.MODELS / ranker.name
    if not model.is_dir():
        return None, None, None
    cost = Cost.of(model)
    minutes = cost.seconds / 60 if cost else None
    kilojoules = cost.joules / 1000 if cost and cost.joules is not None else None
    return read_manifest(model).counts.get("parameters"), minutes, kilojoules

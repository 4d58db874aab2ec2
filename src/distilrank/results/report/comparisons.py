"""What taught students are compared with: what both learned from, and why some students cannot be compared."""

from dataclasses import dataclass

from distilrank.config.params import Params
from distilrank.config.starts import starts_from_teacher
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker


@dataclass(frozen=True)
class Uncompared:
    """Taught students whose gain is not shown, and why."""

    rankers: list[str]
    why: str


@dataclass(frozen=True)
class Unequal:
    """A taught student and its control that learned from different numbers of triples."""

    taught: str
    triples: int
    control: str
    control_triples: int


def uncompared(inputs: ReportInputs) -> list[Uncompared]:
    reasons: dict[str, list[str]] = {}
    for ranker in inputs.rankers:
        if ranker.role == "taught" and ranker.control is None:
            reasons.setdefault(_why(inputs.params, ranker), []).append(ranker.name)
    return [Uncompared(names, why) for why, names in reasons.items()]


def unequal(inputs: ReportInputs) -> list[Unequal]:
    pairs = [
        Unequal(ranker.name, inputs.triples[ranker.name], ranker.control, inputs.triples[ranker.control])
        for ranker in inputs.rankers
        if ranker.control
    ]
    return [pair for pair in pairs if pair.triples != pair.control_triples]


def _why(params: Params, ranker: ReportedRanker) -> str:
    if starts_from_teacher(params, ranker.student or ""):
        return "no control starts from the same layers of a teacher"
    if ranker.teacher in params.imports:
        return f"no control learns from the triples of {ranker.teacher}"
    return "there is no control"

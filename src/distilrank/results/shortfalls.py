"""Taught students that are worse than what they should beat: their control, their start, or the first stage."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from statistics import fmean

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.config.derived import control_of, first_stage_of, start_of, trained_names
from distilrank.config.names import distilled_name
from distilrank.config.params import Params
from distilrank.evaluation.tasks import title_of
from distilrank.results.by_teacher import Means
from distilrank.training.history import FIRST_PHASE, History

ADVICE = "docs/troubleshooting.md"
# A loss is still falling if its last fifth is below this share of the fifth before it.
_FALLING = 0.95


@dataclass(frozen=True)
class Shortfall:
    """A taught student below others in the primary measure. `below` has the others' names and values, by their role."""

    title: str
    ranker: str
    value: float
    below: dict[str, tuple[str, float]]
    causes: list[str]

    def __str__(self) -> str:
        others = ", ".join(f"{what} {name} ({value:.3f})" for what, (name, value) in self.below.items())
        causes = f" Likely: {'; '.join(self.causes)}." if self.causes else ""
        return f"{self.title}: {self.ranker} ({self.value:.3f}) is worse than {others}.{causes} See {ADVICE}"


def read_histories(params: Params) -> dict[str, History]:
    """The history of each trained model's training. Raises MissingInput."""
    files = {name: layout.MODELS / name / "history.json" for name in trained_names(params)}
    return {name: History(**json.loads(built(file).read_text("utf-8"))) for name, file in files.items()}


def shortfalls(params: Params, metrics: Mapping[str, Means], histories: Mapping[str, History]) -> list[Shortfall]:
    """The shortfalls at every task, by means over seeds if there are several. `histories` are by model."""
    found = (
        _shortfall(params, task, scores, pair, histories)
        for task, scores in metrics.items()
        for pair in product(params.students, params.matrix.teachers)
        if distilled_name(*pair) in scores
    )
    return [one for one in found if one.below]


def _shortfall(
    params: Params, task: str, scores: Means, pair: tuple[str, str], histories: Mapping[str, History]
) -> Shortfall:
    name = distilled_name(*pair)
    measure = params.evaluation.primary
    value, first_stage = scores[name][measure], first_stage_of(params, task)
    others = {
        "its control": control_of(params, *pair),
        "what it starts from,": start_of(params, *pair).name,
        "what found its candidates,": first_stage,
    }
    known = {what: (other, scores[other][measure]) for what, other in others.items() if other and other in scores}
    # Figures are shown to the third decimal, so smaller differences do not count.
    below = {what: other for what, other in known.items() if round(value, 3) < round(other[1], 3)}
    causes = list(_causes(params, first_stage, scores, pair, histories)) if below else []
    return Shortfall(title_of(task, first_stage), name, value, below, causes)


def _causes(
    params: Params, first_stage: str, scores: Means, pair: tuple[str, str], histories: Mapping[str, History]
) -> Iterator[str]:
    """Possible causes that the figures themselves show."""
    (student, teacher), measure = pair, params.evaluation.primary
    control = control_of(params, student, teacher)
    members = [name for name in params.members(teacher) if name in scores]
    best = max((scores[name][measure] for name in members), default=None)
    if best is not None and control and control in scores and best <= scores[control][measure]:
        trained = params.trained_teachers().keys() >= set(members)
        remedy = "train the teacher longer" if trained else "name another teacher"
        yield f"its teacher {teacher} ({best:.3f}) is no better than the control, so {remedy}"
    if best is not None and best <= scores[first_stage][measure]:
        yield f"its teacher {teacher} ({best:.3f}) is no better than {first_stage}"
    history = histories.get(distilled_name(*pair))
    if history and _still_falling([loss for step, loss in history.loss if step > history.chosen.get(FIRST_PHASE, 0)]):
        yield "its loss was still falling when its training ended, so give it more steps"


def _still_falling(losses: list[float]) -> bool:
    fifth = len(losses) // 5
    return fifth > 0 and fmean(losses[-fifth:]) < _FALLING * fmean(losses[-2 * fifth : -fifth])

"""The gates that a challenger must pass to become champion. Each says whether it passes, and why, with its figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from distilrank.config.derived import control_of_model
from distilrank.config.params import Params
from distilrank.evaluation.measures import Means
from distilrank.evaluation.significance import non_inferior_p_value, paired_p_value
from distilrank.evaluation.tasks import is_reranking
from distilrank.registry.names import Tag
from distilrank.sections.measuring import Floor, NoWorse, relative_floor

# A difference with a p-value at or above this may be chance.
_CHANCE = 0.05


@dataclass(frozen=True)
class Gate:
    """One gate's decision."""

    gate: str
    passed: bool
    why: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """The means of a challenger and of one champion over the same queries.

    `p_worse` is the p-value of the test that the challenger is not worse by the margin or more. `p_difference` is that
    of the test for any difference.
    """

    version: int
    queries: int
    challenger: float
    champion: float
    p_worse: float
    p_difference: float

    @property
    def is_a_gain(self) -> bool:
        """Whether the challenger is better by more than chance."""
        return self.challenger > self.champion and self.p_difference < _CHANCE


def was_not_rolled_back(tags: Mapping[str, str], because: str | None) -> Gate:
    """Refuses a version that was rolled back, unless it is forced; the reason is recorded."""
    when = tags.get(Tag.ROLLED_BACK)
    figures = {"rolled back": when, "forced because": because}
    if not when:
        return Gate("not rolled back", True, "it was not", {})
    if because:
        return Gate("not rolled back", True, f"it was, at {when}, and is forced: {because}", figures)
    why = f"it was, at {when}: train another, or give a reason with --force"
    return Gate("not rolled back", False, why, figures)


def reaches_floors(params: Params, model: str, means: Means, has_index: bool) -> Gate:
    """Passes if each measure with a floor in the params reaches it. Floors on search bind only models with an index."""
    control = control_of_model(params, model)
    figures, low = {}, []
    for task, measure, floor in params.promotion.every_floor(params.evaluation.primary):
        if not is_reranking(task) and not has_index:
            continue
        if task not in means:
            low.append(f"no task {task} is measured: promotion.floors may name {list(means)}")
            continue
        value = means.get(task, {}).get(model, {}).get(measure)
        relative = relative_floor(floor)
        if relative and relative[0] == "control" and control is None:
            continue
        least = _least(floor, control, means.get(task, {}), measure)
        figures[f"{task} {measure}, {floor}"] = {"value": value, "floor": least}
        if value is None or least is None or value < least:
            low.append(f"{task} {measure} is {_told(value)}, below {floor}{f' ({_told(least)})' if relative else ''}")
    return Gate("floors", not low, "; ".join(low) or "all are reached", figures)


def compared(challenger: pl.DataFrame, champion: pl.DataFrame, version: int, rule: NoWorse) -> Comparison | str:
    """A comparison by the rule's measure, query by query; or why the two cannot be compared."""
    pairs = _values(challenger, rule).join(_values(champion, rule), on="query_id", how="full", coalesce=True)
    if pairs.is_empty() or pairs.null_count().row(0) != (0, 0, 0):
        return f"{rule.task} {rule.measure} of version {version} is not there for the same queries"
    values, others = pairs["value"].to_numpy(), pairs["value_right"].to_numpy()
    return Comparison(
        version,
        len(pairs),
        float(values.mean()),
        float(others.mean()),
        non_inferior_p_value(values, others, rule.margin),
        paired_p_value(values, others),
    )


def is_no_worse(comparisons: Sequence[Comparison | str], rule: NoWorse, because: str | None) -> Gate:
    """Passes if a paired test with each champion to be matched finds the challenger no worse, or if there is none.

    A champion that cannot be compared is skipped only by force; the reason is recorded.
    """
    sound = [one for one in comparisons if isinstance(one, Comparison)]
    strange = [one for one in comparisons if isinstance(one, str)]
    told = [
        f"{one.challenger:.4f} against {one.champion:.4f} of version {one.version}: worse by {rule.margin} with a p of "
        f"{one.p_worse:.2g}"
        for one in sound
    ]
    figures = {**rule.model_dump(), "champions": [asdict(one) for one in sound], "forced because": because}
    passed = all(one.p_worse < rule.p_value for one in sound) and (bool(because) or not strange)
    if strange:
        told += [*strange, f"it is forced: {because}" if because else "mend that, or give a reason with --force"]
    return Gate("no worse than champions", passed, "; ".join(told) or "there is no champion yet", figures)


def _least(floor: Floor, control: str | None, rankers: Mapping[str, Mapping[str, float]], measure: str) -> float | None:
    """The floor's value; None if the ranker that it names was not measured."""
    relative = relative_floor(floor)
    if relative is None:
        return float(floor)
    ranker, above = relative
    figure = rankers.get((control or "") if ranker == "control" else ranker, {}).get(measure)
    return None if figure is None else figure + above


def _told(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


def _values(measures: pl.DataFrame, rule: NoWorse) -> pl.DataFrame:
    chosen = measures.filter(pl.col("task") == rule.task, pl.col("measure") == rule.measure)
    return chosen.select("query_id", "value")

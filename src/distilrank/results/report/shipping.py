"""Which model to ship: the best within the budgets, and what it loses against the teacher.

The dev queries choose among models, because the best of several on the test queries looks better than it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from distilrank.evaluation.significance import confidence_interval, paired_p_value, randomised_p_value
from distilrank.evaluation.tasks import RERANK
from distilrank.results.differences import Difference
from distilrank.results.report.cost import Costs, Way
from distilrank.results.report.headline import yardstick_of
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker


@dataclass(frozen=True)
class Shipping:
    """The model trained here to ship, and the way to re-rank with it; if none fits the budgets, the nearest one.

    budgets: each budget, by what it bounds. against: the model's difference from its `teacher`, None if it is a
    teacher. is_corrected: whether that is corrected (Holm), as a row of the tests. elsewhere: the best model within the
    budgets that was trained elsewhere, if it is better or the only one that fits. is_timed_unevenly: whether the times
    of the models to choose from cannot be trusted.
    """

    budgets: dict[str, float]
    costs: Costs
    way: Way
    fits: bool
    teacher: ReportedRanker
    against: Difference | None
    is_corrected: bool
    elsewhere: Costs | None
    is_timed_unevenly: bool

    @property
    def taken(self) -> dict[str, float]:
        """The model's costs that the budgets bound."""
        return {what: getattr(self.way, what) for what in self.budgets}


def shipping(inputs: ReportInputs, every: list[Costs]) -> Shipping | None:
    """The model to ship; None if there are no budgets, or if no model's costs are known."""
    budgets = {what: most for what, most in inputs.params.report.budgets if most is not None}
    known = [one for one in every if _known_ways(one, budgets)]
    models = [one for one in known if one.ranker.name in inputs.histories]
    if not budgets or not models:
        return None
    on_dev = {one.ranker.name: inputs.histories[one.ranker.name].at_best(RERANK) for one in models}
    chosen, way = choose(models, budgets, on_dev)
    fits, ranker = excess(way, budgets) <= 1, chosen.ranker
    teacher = ranker if ranker.role == "teacher" else yardstick_of(inputs, ranker)
    tested = _tested(inputs, ranker, teacher)
    uneven = {name for times in inputs.uneven_times for name in times} & {one.ranker.name for one in models}
    return Shipping(
        budgets,
        chosen,
        way,
        fits,
        teacher,
        None if ranker == teacher else tested or _difference(inputs, ranker, teacher),
        tested is not None,
        _elsewhere([one for one in known if one not in models], budgets, chosen.effectiveness if fits else 0.0),
        "milliseconds" in budgets and bool(uneven),
    )


def choose(known: Iterable[Costs], budgets: Mapping[str, float], on_dev: Mapping[str, float]) -> tuple[Costs, Way]:
    """The best model and way within the budgets, or else the one that exceeds them least.

    Of two equal ways, the one that stores nothing wins.
    """
    offers = [(one, way) for one in known for way in _known_ways(one, budgets)]
    return min(
        offers,
        key=lambda offer: (max(excess(offer[1], budgets), 1.0), -on_dev[offer[0].ranker.name], offer[1].beforehand),
    )


def excess(way: Way, budgets: Mapping[str, float]) -> float:
    """The largest ratio of a cost to its budget; above 1, a budget is exceeded."""
    shares = [(getattr(way, what), most) for what, most in budgets.items()]
    return max(taken / most if most else float("inf") if taken else 0.0 for taken, most in shares)


def _known_ways(costs: Costs, budgets: Mapping[str, float]) -> list[Way]:
    return [way for way in costs.ways if all(getattr(way, what) is not None for what in budgets)]


def _elsewhere(others: list[Costs], budgets: Mapping[str, float], least: float) -> Costs | None:
    """The best of the others within the budgets, if it is better than `least`."""
    better = [
        one
        for one in others
        if one.effectiveness > least and any(excess(way, budgets) <= 1 for way in _known_ways(one, budgets))
    ]
    return max(better, key=lambda one: one.effectiveness, default=None)


def _tested(inputs: ReportInputs, ranker: ReportedRanker, teacher: ReportedRanker) -> Difference | None:
    """The difference in the tests' row of the two, if there is one; the tests are only of taught students."""
    wanted = (inputs.primary, inputs.measure, ranker.name, teacher.name)
    rows = (one for one in inputs.tests if (one.task, one.measure, one.ranker, one.other) == wanted)
    return next((row.difference for row in rows), None)


def _difference(inputs: ReportInputs, ranker: ReportedRanker, teacher: ReportedRanker) -> Difference:
    one, other = (inputs.values(each.name, inputs.measure)["value"].to_numpy() for each in (ranker, teacher))
    return Difference(
        float((one - other).mean()), *confidence_interval(one, other), paired_p_value(one, other),
        randomised_p_value(one, other),
    )  # fmt: skip

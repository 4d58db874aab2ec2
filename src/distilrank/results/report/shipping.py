"""Which model to ship: the best within the budgets, and what it gives up against the teacher.

The development queries choose among models, because the best of several on the test queries looks better than it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from distilrank.evaluation.significance import confidence_interval, paired_p_value, randomised_p_value
from distilrank.evaluation.tasks import RERANK
from distilrank.results.differences import Difference
from distilrank.results.report.cost import Costs
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.results import effectiveness


@dataclass(frozen=True)
class Shipping:
    """A model to ship, or where none fits the budgets the one that comes nearest.

    budgets: what each is, by what it bounds; excess: by how many times it breaks the one that it breaks most, 1 or less
    if it fits. against: its difference from `teacher`, None if it is the teacher. better: what found the candidates, if
    that alone is better.
    """

    budgets: dict[str, float]
    costs: Costs
    excess: float
    teacher: ReportedRanker
    teacher_value: float
    against: Difference | None
    better: ReportedRanker | None

    @property
    def fits(self) -> bool:
        return self.excess <= 1


def shipping(inputs: ReportInputs, every: list[Costs], teacher: ReportedRanker) -> Shipping | None:
    """None without budgets, or where no model's costs are known."""
    budgets = {what: most for what, most in inputs.params.report.budgets if most is not None}
    known = [one for one in every if one.ranker.name in inputs.histories and _is_known(one, budgets)]
    if not budgets or not known:
        return None
    chosen = choose(known, budgets, {one.ranker.name: _on_dev(inputs, one.ranker) for one in known})
    first = inputs.rankers[0]
    return Shipping(
        budgets,
        chosen,
        excess(chosen, budgets),
        teacher,
        effectiveness(inputs, teacher),
        _difference(inputs, chosen.ranker, teacher) if chosen.ranker != teacher else None,
        first if effectiveness(inputs, first) > chosen.effectiveness else None,
    )


def choose(known: Iterable[Costs], budgets: Mapping[str, float], on_dev: Mapping[str, float]) -> Costs:
    """The best within the budgets; if none is within them, the one that exceeds them by the least."""
    return min(known, key=lambda one: (max(excess(one, budgets), 1.0), -on_dev[one.ranker.name]))


def excess(costs: Costs, budgets: Mapping[str, float]) -> float:
    """How many times the budget that it comes nearest to, or exceeds most, goes into its cost."""
    shares = [(getattr(costs, what) or 0.0, most) for what, most in budgets.items()]
    return max(cost / most if most else float("inf") if cost else 0.0 for cost, most in shares)


def _is_known(costs: Costs, budgets: Mapping[str, float]) -> bool:
    return all(getattr(costs, what) is not None for what in budgets)


def _on_dev(inputs: ReportInputs, ranker: ReportedRanker) -> float:
    return inputs.histories[ranker.name].at_best(RERANK)


def _difference(inputs: ReportInputs, ranker: ReportedRanker, teacher: ReportedRanker) -> Difference:
    one, other = (inputs.values(each.name, inputs.measure)["value"].to_numpy() for each in (ranker, teacher))
    return Difference(
        float((one - other).mean()), *confidence_interval(one, other), paired_p_value(one, other),
        randomised_p_value(one, other),
    )  # fmt: skip

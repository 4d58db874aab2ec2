"""Differences between rankers on the same queries, and whether they may be chance."""

from dataclasses import dataclass
from typing import Literal

from distilrank.evaluation.significance import (
    Values,
    confidence_intervals,
    holm,
    paired_p_value,
    randomised_p_values,
)

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Difference:
    """The mean of one ranker minus another's, its 95 % confidence interval, and the p-values of two paired tests.

    The p-values are corrected (Holm) for the number of comparisons in the same table.
    """

    difference: float
    low: float
    high: float
    t_test: float
    randomisation: float

    @property
    def p_value(self) -> float:
        """The larger of the two p-values."""
        return max(self.t_test, self.randomisation)

    @property
    def verdict(self) -> Literal["gain", "loss", "unclear"]:
        if self.p_value >= SIGNIFICANT:
            return "unclear"
        return "gain" if self.difference > 0 else "loss"


def differences_of(values: Values, others: Values) -> list[Difference]:
    """The differences of a table, one per column of (queries, comparisons). The draws depend on the queries' order."""
    apart = values - others
    t_tests = holm([paired_p_value(one, other) for one, other in zip(values.T, others.T, strict=True)])
    randomisations = holm(randomised_p_values(apart))
    means, intervals = apart.mean(axis=0), confidence_intervals(apart)
    return [
        Difference(float(mean), *interval, t_test, randomisation)
        for mean, interval, t_test, randomisation in zip(means, intervals, t_tests, randomisations, strict=True)
    ]

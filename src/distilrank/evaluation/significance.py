"""Tests whether a difference between two rankers may be chance, query by query, and how large it may be."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

Values = NDArray[np.float64]

_RESAMPLES = 10_000
# How many of the drawn values are in memory at once.
_AT_ONCE = 10_000_000


def paired_p_value(values: Values, others: Values) -> float:
    """The p-value of a two-sided paired t-test.

    It is 1 if there is no difference, and 0 if the difference is the same for all queries.
    """
    differences = values - others
    if len(values) < 2 or not differences.any():
        return 1.0
    return 0.0 if _are_the_same(differences) else float(ttest_1samp(differences, 0).pvalue)


def randomised_p_value(values: Values, others: Values, resamples: int = _RESAMPLES) -> float:
    """The p-value of one comparison, as in `randomised_p_values`."""
    return randomised_p_values((values - others)[:, None], resamples)[0]


def randomised_p_values(differences: Values, resamples: int = _RESAMPLES) -> list[float]:
    """The p-values of two-sided paired randomisation tests of the mean (Fisher; in IR Smucker et al., CIKM 2007).

    `differences` (queries, comparisons). If two rankers were alike, each query's two values could be exchanged. The
    p-value is the share of all such exchanges whose mean difference is at least as large as the observed one. If there
    are at most `resamples` exchanges, all are tried. Otherwise `resamples` of them are drawn, always the same ones, and
    the observed values count as one of them.
    """
    queries, comparisons = differences.shape
    # Sums of the same numbers may differ by this much through rounding.
    observed = np.abs(differences.sum(axis=0)) - 1e-9 * np.abs(differences).sum(axis=0)
    is_exact = queries < np.log2(resamples + 1)
    drawn = 2**queries if is_exact else resamples
    rows, random = max(1, _AT_ONCE // max(1, queries)), np.random.default_rng(0)
    as_large = np.zeros(comparisons, np.int64)
    for start in range(0, drawn, rows):
        number = min(rows, drawn - start)
        if is_exact:
            exchanged = np.arange(start, start + number)[:, None] >> np.arange(queries) & 1
        else:
            exchanged = random.integers(0, 2, (number, queries), np.int8)
        # An exchange flips the sign of a difference, so it is subtracted from the sum twice.
        sums = differences.sum(axis=0) - 2 * (exchanged.astype(np.float64) @ differences)
        as_large += (np.abs(sums) >= observed).sum(axis=0)
    return [float(p) for p in (as_large / drawn if is_exact else (as_large + 1) / (drawn + 1))]


def confidence_interval(values: Values, others: Values) -> tuple[float, float]:
    """The confidence interval of one comparison, as in `confidence_intervals`."""
    return confidence_intervals((values - others)[:, None])[0]


def confidence_intervals(differences: Values) -> list[tuple[float, float]]:
    """The 95 % confidence intervals of the mean differences, by the percentile bootstrap over queries.

    `differences` (queries, comparisons). The draws are always the same.
    """
    queries, random = len(differences), np.random.default_rng(0)
    rows, drawn = max(1, _AT_ONCE // queries), []
    for start in range(0, _RESAMPLES, rows):
        number = min(rows, _RESAMPLES - start)
        places = random.integers(0, queries, (number, queries)) + queries * np.arange(number)[:, None]
        times = np.bincount(places.ravel(), minlength=number * queries).reshape(number, queries)
        drawn.append(times.astype(np.float64) @ differences / queries)
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975], axis=0)
    return [(float(one), float(other)) for one, other in zip(low, high, strict=True)]


def effect_size(differences: Values) -> float:
    """Cohen's d of paired differences: their mean divided by their standard deviation; infinite if all are the same."""
    if not differences.any():
        return 0.0
    if len(differences) < 2 or _are_the_same(differences):
        return float(np.copysign(np.inf, differences.mean()))
    return float(differences.mean() / differences.std(ddof=1))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of several comparisons, corrected for their number (Holm 1979), in their order.

    The smallest of n is multiplied by n, the next by n - 1, and so on. No result is below that of a smaller p-value, or
    above 1.
    """
    ascending = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[ascending] = np.minimum(1, np.maximum.accumulate(np.asarray(p_values)[ascending] * factors))
    return [float(p) for p in corrected]


def non_inferior_p_value(values: Values, others: Values, margin: float) -> float:
    """The p-value of a paired one-sided t-test of the hypothesis that the values are worse by `margin` in the mean.

    If every difference is the same, it is 0 if that is within the margin, else 1.
    """
    differences = values - others
    if len(values) < 2:
        return 1.0
    if _are_the_same(differences):
        return 0.0 if differences[0] > -margin else 1.0
    return float(ttest_1samp(differences, -margin, alternative="greater").pvalue)


def _are_the_same(differences: Values) -> bool:
    """Whether all differences are the same, apart from rounding."""
    return bool(np.allclose(differences, differences[0]))

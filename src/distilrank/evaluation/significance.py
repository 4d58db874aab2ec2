"""Whether chance alone would give a difference between two rankers, query by query; and how large it may be."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, ttest_1samp

Values = NDArray[np.float64]

_RESAMPLES = 10_000
# Values at once in memory, of all that are drawn.
_AT_ONCE = 10_000_000


def paired_p_value(values: Values, others: Values) -> float:
    """Of a two-sided paired t-test; 1 where there is no difference to test, 0 where it is the same for all queries."""
    differences = values - others
    if len(values) < 2 or not differences.any():
        return 1.0
    return 0.0 if _are_the_same(differences) else float(ttest_1samp(differences, 0).pvalue)


def randomised_p_value(values: Values, others: Values, resamples: int = _RESAMPLES) -> float:
    """Of a two-sided paired randomisation test of the mean (Fisher; for retrieval Smucker et al., CIKM 2007).

    If two rankers were alike, each query's two values might as well be exchanged: p is the share of all such exchanges
    whose difference is at least as large. All are tried where they are at most `resamples`; else that many are
    drawn, always the same, and what was observed counts as one of them.
    """
    differences = values - others
    # So much may sums of the same numbers differ by rounding.
    observed = abs(differences.sum()) - 1e-9 * np.abs(differences).sum()
    is_exact = len(differences) < np.log2(resamples + 1)
    drawn = 2 ** len(differences) if is_exact else resamples
    rows, random = max(1, _AT_ONCE // max(1, len(differences))), np.random.default_rng(0)
    as_large = 0
    for start in range(0, drawn, rows):
        number = min(rows, drawn - start)
        if is_exact:
            exchanged = np.arange(start, start + number)[:, None] >> np.arange(len(differences)) & 1
        else:
            exchanged = random.integers(0, 2, (number, len(differences)), np.int8)
        # An exchanged difference counts the other way: the sum lacks it, and lacks it once more.
        sums = differences.sum() - 2 * (exchanged @ differences)
        as_large += int((np.abs(sums) >= observed).sum())
    return as_large / drawn if is_exact else (as_large + 1) / (drawn + 1)


def confidence_interval(values: Values, others: Values) -> tuple[float, float]:
    """What the mean difference lies within, at 95 %: the percentile bootstrap over queries; always the same draws."""
    differences = values - others
    if len(differences) < 2 or _are_the_same(differences):
        return float(differences.mean()), float(differences.mean())
    at_once = max(1, _AT_ONCE // len(differences))
    drawn = bootstrap(
        (differences,),
        np.mean,
        n_resamples=_RESAMPLES,
        batch=at_once,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    low, high = drawn.confidence_interval
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of several comparisons, corrected for their number (Holm 1979), in their order.

    The smallest of n is multiplied by n, the next by n - 1, and so on; none comes out below a smaller one, or above 1.
    """
    ascending = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[ascending] = np.minimum(1, np.maximum.accumulate(np.asarray(p_values)[ascending] * factors))
    return [float(p) for p in corrected]


def non_inferior_p_value(values: Values, others: Values, margin: float) -> float:
    """How likely such values are if they were worse than the others by `margin` in the mean: a paired one-sided t-test.

    Where every difference is the same there is no chance in it: 0 if that is within the margin, else 1.
    """
    differences = values - others
    if len(values) < 2:
        return 1.0
    if _are_the_same(differences):
        return 0.0 if differences[0] > -margin else 1.0
    return float(ttest_1samp(differences, -margin, alternative="greater").pvalue)


def _are_the_same(differences: Values) -> bool:
    """But for rounding."""
    return bool(np.allclose(differences, differences[0]))

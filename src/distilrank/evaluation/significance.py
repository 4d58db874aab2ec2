"""Whether chance alone would give a difference between two rankers, query by query."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_1samp, ttest_rel

Values = NDArray[np.float64]


def paired_p_value(values: Values, others: Values) -> float:
    """Of a two-sided paired t-test; 1 where there is no difference to test."""
    if len(values) < 2 or np.array_equal(values, others):
        return 1.0
    return float(ttest_rel(values, others).pvalue)


def non_inferior_p_value(values: Values, others: Values, margin: float) -> float:
    """How likely such values are if they were worse than the others by `margin` in the mean: a paired one-sided t-test.

    Where every difference is the same there is no chance in it: 0 if that is within the margin, else 1.
    """
    differences = values - others
    if len(values) < 2:
        return 1.0
    if np.ptp(differences) == 0:
        return 0.0 if differences[0] > -margin else 1.0
    return float(ttest_1samp(differences, -margin, alternative="greater").pvalue)

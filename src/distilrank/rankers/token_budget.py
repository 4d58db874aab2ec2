"""Finds by measurement how many padded tokens a batch should hold."""

from collections.abc import Callable

import torch

# What a rate must gain to count as higher.
_GAIN = 1.03
# Fewer tokens are less than one pair.
_LEAST = 64


def fastest_budget(tokens_per_second: Callable[[int], float], usual: int) -> int:
    """The budget at which the most tokens are read per second. Every rate is the better of two measurements.

    From the `usual` budget, the search doubles it as long as the rate rises. If the first doubling gains nothing, it
    halves it instead. A budget that exceeds the memory has the rate 0. So other programs on the device cannot mislead
    the search by more than they slow it.
    """

    def rate(budget: int) -> float:
        try:
            return max(tokens_per_second(budget) for _ in range(2))
        except torch.OutOfMemoryError:
            return 0.0

    best, best_rate = usual, rate(usual)
    while (larger := rate(2 * best)) > _GAIN * best_rate:
        best, best_rate = 2 * best, larger
    while best <= usual and best > _LEAST and ((smaller := rate(best // 2)) > _GAIN * best_rate or not best_rate):
        best, best_rate = best // 2, smaller
    return best

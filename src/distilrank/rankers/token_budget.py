"""Finds by measurement how many padded tokens a batch should hold."""

from collections.abc import Callable

import torch

# From a batch that fits the cache of a core to one that fills a large card.
_BUDGETS = (300, 600, 1_200, 2_400, 16_384, 65_536, 262_144)


def fastest_budget(tokens_per_second: Callable[[int], float]) -> int:
    """The budget at which the most tokens are read per second. Each budget is measured twice.

    The search goes up from the smallest budget. It ends at one that is slower than the best so far, or that exceeds a
    card's memory.
    """
    best, best_rate = _BUDGETS[0], 0.0
    for budget in _BUDGETS:
        try:
            rate = max(tokens_per_second(budget) for _ in range(2))
        except torch.OutOfMemoryError:
            break
        if rate > best_rate:
            best, best_rate = budget, rate
        elif rate < 0.97 * best_rate:
            break
    return best

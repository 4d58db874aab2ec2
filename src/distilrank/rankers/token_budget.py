"""How many padded tokens a batch should hold, by measurement."""

from collections.abc import Callable

import torch

# From what fits the cache of a core up to what fills a large card.
_BUDGETS = (300, 600, 1_200, 2_400, 16_384, 65_536, 262_144)


def fastest_budget(tokens_per_second: Callable[[int], float]) -> int:
    """The budget at which the most tokens are read per second; each is measured twice.

    A budget that is slower than the best so far, or more than a card's memory holds, ends the climb.
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

"""Finds by measurement how many padded tokens a batch should hold."""

from collections.abc import Callable

import torch

# What a rate must gain to count as higher.
_GAIN = 1.03


def fastest_budget(tokens_per_second: Callable[[int], float], usual: int) -> int:
    """The budget at which the most tokens are read per second, found from the `usual` one. Each is measured twice.

    The budget is doubled while that is faster, or else halved. So other programs on the device cannot mislead the
    search by more than they slow it.
    """
    best, best_rate = usual, _measured(tokens_per_second, usual)
    for step in (2.0, 0.5):
        while best > 1 and (rate := _measured(tokens_per_second, int(best * step))) > _GAIN * best_rate:
            best, best_rate = int(best * step), rate
        if best != usual:
            break
    return best


def _measured(tokens_per_second: Callable[[int], float], budget: int) -> float:
    try:
        return max(tokens_per_second(budget) for _ in range(2))
    except torch.OutOfMemoryError:
        return 0.0

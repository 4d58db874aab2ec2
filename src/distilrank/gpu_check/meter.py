"""Measures rates, memory, and the device's peak: the rate of its largest matrix products in a precision."""

import gc
import time
from collections.abc import Callable

import torch

from distilrank.gpu_check.bench import Bench
from distilrank.gpu_check.shapes import Shape
from distilrank.rankers.precision import float32_products
from distilrank.sections.precision import Precision


def repeated_rate(bench: Bench, work: Callable[[], int]) -> float:
    """The sum of the numbers that `work` returns, per second, over the time that a rate is given."""
    work()
    finish(bench)
    done, began = 0, time.perf_counter()
    while not done or time.perf_counter() - began < bench.seconds_per_rate:
        done += work()
    finish(bench)
    return done / (time.perf_counter() - began)


def finish(bench: Bench) -> None:
    """Waits for all work that was begun on a card."""
    if bench.on_card:
        torch.cuda.synchronize()


class Memory:
    """The card's peak memory since this was made."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        if bench.on_card:
            gc.collect()  # reference cycles of a Trainer keep the model alive
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def gib(self) -> float | None:
        return round(torch.cuda.max_memory_allocated() / 2**30, 2) if self._bench.on_card else None


def peak(bench: Bench, precision: Precision) -> float:
    """Floating-point operations per second of a large square matrix product."""
    size = 8192 if bench.on_card else 256
    kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
    one, other = (torch.randn(size, size, device=bench.device, dtype=kind) for _ in range(2))

    def multiply() -> int:
        torch.mm(one, other)
        finish(bench)  # otherwise a thousand products would be queued before the clock is read
        return 1

    with float32_products(precision, bench.device):
        return 2 * size**3 * repeated_rate(bench, multiply)


def operations(shape: Shape, tokens: int, first_token_alone: bool = False) -> float:
    """Floating-point operations of one sequence's matrix products, in a forward pass.

    Per layer and token these are 8 w² for the four projections, 4 w f for the feed-forward, and 4 w n for attention
    over n tokens. If a ranker reads [CLS] only, the last layer computes only its keys and values at every token.
    """
    width, feed = shape.width, shape.feed_forward
    layer = tokens * (8 * width**2 + 4 * width * feed + 4 * width * tokens)
    last = tokens * 4 * width**2 if first_token_alone else layer
    return float((shape.layers - 1) * layer + last)

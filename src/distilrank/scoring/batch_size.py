"""How many tokens a batch should hold: measured on some of the pairs, by the workers that will score the rest."""

import polars as pl
import torch

from distilrank.data.tokens import TokenStore
from distilrank.scoring.work import PairsToScore, ScoredPairs
from distilrank.sections import Precision
from distilrank.workers.work import Each

# Below, a measurement takes longer than it saves.
WORTH_MEASURING = 20_000
# What fits the cache of a core, up to what fills a large card.
_BUDGETS = (300, 600, 1_200, 2_400, 16_384, 65_536, 262_144)
_PAIRS = 128


def measured_tokens_per_batch(
    each: Each[PairsToScore, ScoredPairs], pairs: pl.DataFrame, tokens: TokenStore, precision: Precision
) -> int:
    """The budget that scores a sample of `pairs` at the most tokens a second.

    The sample grows with the budget, to fill several batches; a budget that is slower than the best so far, or more
    than a card's memory holds, ends the climb.
    """
    best, best_rate = _BUDGETS[0], 0.0
    for budget in _BUDGETS:
        try:
            rate = max(_tokens_per_second(each, pairs, tokens, precision, budget) for _ in range(2))
        except torch.OutOfMemoryError:
            break
        if rate > best_rate:
            best, best_rate = budget, rate
        elif rate < 0.97 * best_rate:
            break
    return best


def _tokens_per_second(
    each: Each[PairsToScore, ScoredPairs], pairs: pl.DataFrame, tokens: TokenStore, precision: Precision, budget: int
) -> float:
    sample = pairs.sample(min(len(pairs), max(_PAIRS, budget // 16)), seed=0)
    (scored,) = each([PairsToScore.cut("sample", sample, tokens, precision, budget)])
    return scored.tokens / scored.seconds

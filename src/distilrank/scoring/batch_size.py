"""How many tokens a batch should hold. The workers that will score all pairs measure this on some of them."""

import polars as pl

from distilrank.data.tokens import TokenStore
from distilrank.rankers.token_budget import fastest_budget
from distilrank.scoring.parts import PairsToScore, ScoredPairs
from distilrank.sections.precision import Precision
from distilrank.workers.cores import threads
from distilrank.workers.work import Each

# With fewer pairs, a measurement takes longer than it saves.
WORTH_MEASURING = 20_000
_PAIRS, _PAIRS_PER_THREAD = 128, 32
# So few that they fit any card.
_WARM_UP = 4


def measured_tokens_per_batch(
    each: Each[PairsToScore, ScoredPairs], pairs: pl.DataFrame, tokens: TokenStore, precision: Precision
) -> int:
    """The budget that scores a sample of `pairs` fastest. The sample grows with the budget, to fill several
    batches.

    First a worker scores a few, which warms it up and tells the usual budget of its device.
    """
    least = max(_PAIRS, _PAIRS_PER_THREAD * threads())

    def scored(number: int, budget: int | None) -> ScoredPairs:
        sample = pairs.sample(min(len(pairs), number), seed=0)
        (result,) = each([PairsToScore.cut("sample", sample, tokens, precision, budget)])
        return result

    def tokens_per_second(budget: int) -> float:
        result = scored(max(least, budget // 16), budget)
        return result.tokens / result.seconds

    return fastest_budget(tokens_per_second, scored(_WARM_UP, None).tokens_per_batch)

"""Filling a store: every part of a plan scored by workers, written as it comes, with figures on the way."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from distilrank.artifacts import read_json, write_json
from distilrank.data.tokens import TokenStore
from distilrank.errors import ScoreError
from distilrank.progress import progress
from distilrank.scoring.batch_size import WORTH_MEASURING, measured_tokens_per_batch
from distilrank.scoring.figures import Figures
from distilrank.scoring.plan import Plan
from distilrank.scoring.scores import KEY
from distilrank.scoring.store import ScoreStore
from distilrank.scoring.work import PairsToScore, ScoredPairs
from distilrank.workers.work import Each

# How far a score may move between batches, kernels and machines, as a share of 1 + its size.
_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1}
Log = Callable[[int, dict[str, float]], None]


def fill(
    store: ScoreStore,
    plan: Plan,
    each: Each[PairsToScore, ScoredPairs],
    tokens: TokenStore,
    precision: str,
    what: str,
    log: Log = lambda _step, _values: None,
) -> Figures:
    """Scores what is planned and not yet stored; `log` is told the figures, by the pairs done, as parts come.

    Raises ScoreError for a score that is not finite, or a store whose scores are no longer the scorer's.
    """
    missing = plan.missing_parts(store)
    figures, began = Figures(), time.perf_counter()
    if not missing:
        return figures
    _check_held(plan.sample_of_held(), each, tokens, precision, store.directory)
    budget = _tokens_per_batch(plan, each, tokens, precision)

    def parts() -> Iterator[PairsToScore]:
        for name, part in missing:
            yield PairsToScore.cut(name, pl.read_parquet(part), tokens, precision, budget)

    done = plan.pairs - sum(_rows(part) for _, part in missing)
    with progress(what, plan.pairs, done) as advance:
        for scored in each(parts()):
            store.add(scored.name, scored.pairs.with_columns(score=pl.Series(scored.scores)))
            figures.pairs += len(scored.pairs)
            figures.tokens += scored.tokens
            figures.padded_tokens += scored.padded_tokens
            figures.seconds = time.perf_counter() - began
            advance(len(scored.pairs), str(figures))
            log(done + figures.pairs, figures.values())
    return figures


def _check_held(
    held: pl.DataFrame, each: Each[PairsToScore, ScoredPairs], tokens: TokenStore, precision: str, store: Path
) -> None:
    """Scores some stored pairs again: other code, or another library, may have come to score differently."""
    if held.is_empty():
        return
    (again,) = each([PairsToScore.cut("held", held.select(KEY), tokens, precision, None)])
    stored = held["score"].to_numpy()
    far = np.abs(again.scores - stored) > _TOLERANCE[precision] * (1 + np.abs(stored))
    if far.any():
        first = held.row(int(far.argmax()), named=True)
        raise ScoreError(
            store,
            got=f"score {first['score']:.4g} of query '{first['query_id']}' and passage '{first['passage_id']}'",
            expected=f"{again.scores[far.argmax()]:.4g}, as the teacher scores now",
            remedy="delete the directory, to score anew",
        )


def _tokens_per_batch(
    plan: Plan, each: Each[PairsToScore, ScoredPairs], tokens: TokenStore, precision: str
) -> int | None:
    """What was measured when the plan was begun, or is now; none, where there is too little to score."""
    if plan.pairs < WORTH_MEASURING:
        return None
    file = plan.directory / "tokens_per_batch.json"
    if not file.is_file():
        pairs = pl.read_parquet(plan.parts[len(plan.parts) // 2])
        write_json(file, measured_tokens_per_batch(each, pairs, tokens, precision))
    budget: int = read_json(file)
    return budget


def _rows(part: Path) -> int:
    rows: int = pl.scan_parquet(part).select(pl.len()).collect().item()
    return rows

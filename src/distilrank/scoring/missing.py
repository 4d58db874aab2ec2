"""Scores what a store lacks. Workers score each part of a plan, and it is written as it comes, with the speed so
far."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from distilrank.data.tokens import TokenStore
from distilrank.errors import ScoreError
from distilrank.progress import progress
from distilrank.scoring.batch_size import WORTH_MEASURING, measured_tokens_per_batch
from distilrank.scoring.parts import PairsToScore, ScoredPairs
from distilrank.scoring.plan import Plan
from distilrank.scoring.scores import KEY
from distilrank.scoring.speed import Speed
from distilrank.scoring.store import ScoreStore
from distilrank.sections.precision import Precision
from distilrank.workers.work import Each

# How far a score may move between batches, kernels and machines, as a share of 1 + its size.
_TOLERANCE: dict[Precision, float] = {"float32": 1e-3, "tf32": 1e-2, "bfloat16": 0.1, "float16": 0.02}
Log = Callable[[int, dict[str, float]], None]


def score_missing(
    store: ScoreStore,
    plan: Plan,
    each: Each[PairsToScore, ScoredPairs],
    tokens: TokenStore,
    precision: Precision,
    whose: str,
    log: Log = lambda _step, _values: None,
) -> None:
    """Scores what is planned and not yet stored. As parts come, `log` gets the pairs done and the speed.

    `whose` scores they are is shown, and named in errors. Raises ScoreError for a score that is not finite, and for a
    store whose scores differ from what the scorer gives now.
    """
    _check_held(plan.sample_of_held(), each, tokens, precision, store.directory)
    missing = plan.missing_parts(store)
    if not missing:
        return
    measure = plan.pairs >= WORTH_MEASURING
    budget = measured_tokens_per_batch(each, _some(missing), tokens, precision) if measure else None

    def parts() -> Iterator[PairsToScore]:
        for name, part in missing.items():
            yield PairsToScore.cut(name, pl.read_parquet(part), tokens, precision, budget)

    done = plan.pairs - sum(_rows(part) for part in missing.values())
    speed, began = Speed(), time.perf_counter()
    try:
        with progress(f"pairs scored by {whose}", plan.pairs, done) as advance:
            for scored in each(parts()):
                _refuse_endless(scored, whose)
                store.add(scored.name, scored.pairs.with_columns(score=pl.Series(scored.scores)))
                speed.add(len(scored.pairs), scored.tokens, scored.padded_tokens, time.perf_counter() - began)
                advance(len(scored.pairs), str(speed))
                log(done + speed.pairs, speed.values())
    finally:
        store.log({"run": f"pairs scored by {whose}", "ended": round(time.time()), **speed.values()})


def _refuse_endless(scored: ScoredPairs, whose: str) -> None:
    if not (finite := np.isfinite(scored.scores)).all():
        bad = scored.pairs.row(int(finite.argmin()), named=True)
        raise ScoreError(
            f"{whose}: passage '{bad['passage_id']}' of query '{bad['query_id']}'",
            got=f"the score {scored.scores[finite.argmin()]}",
            expected="a finite number",
            remedy="train it again, with a lower learning_rate",
        )


def _check_held(
    held: pl.DataFrame, each: Each[PairsToScore, ScoredPairs], tokens: TokenStore, precision: Precision, store: Path
) -> None:
    """Scores some stored pairs again, because new code or a new library may give other scores. Raises ScoreError if
    they do."""
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
            expected=f"{again.scores[far.argmax()]:.4g}, as the ranker scores now",
            remedy="delete the directory, so that its pairs are scored again",
        )


def _some(parts: dict[str, Path]) -> pl.DataFrame:
    """The pairs of about eight parts, from all over the plan."""
    files = list(parts.values())
    return pl.concat(pl.read_parquet(file) for file in files[:: max(1, len(files) // 8)])


def _rows(part: Path) -> int:
    rows: int = pl.scan_parquet(part).select(pl.len()).collect().item()
    return rows

"""Ties: passages with one score are ordered by lot, and told apart by the smallest step of a float32.

If ties went by id, a ranker with many ties would gain wherever ids hint at relevance.
"""

from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import polars as pl

# trec_eval holds scores as floats, so scores that differ only as doubles are a tie.
SCORE = pl.col("score").cast(pl.Float32, strict=False)
# The lowest finite float32, counted from 0 in steps from one float to the next.
_LOWEST = -0x7F7FFFFF
_LOT = "lot"


def by_lot(run: pl.DataFrame) -> pl.DataFrame:
    """By query and score, best first. The ids of query and passage decide the order of ties, by a lot that never
    changes."""
    ordered = run.sort("query_id", SCORE, descending=[False, True], maintain_order=True)
    tied = _tied(ordered)
    if not tied.any():
        return ordered
    lots = np.zeros(len(ordered), np.uint64)
    lots[tied] = [_lot(*pair) for pair in ordered.select("query_id", "passage_id").filter(tied).iter_rows()]
    drawn = ordered.with_columns(pl.Series(_LOT, lots))
    return drawn.sort("query_id", SCORE, _LOT, "passage_id", descending=[False, True, False, False]).drop(_LOT)


def by_id(run: pl.DataFrame) -> pl.DataFrame:
    """By query and score, best first. Ties go by passage id, descending, as in trec_eval."""
    return run.sort("query_id", SCORE, "passage_id", descending=[False, True, True])


def scattered(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """A lot for each row of a table of passages, by the last steps of Murmur3. Where a search cuts off ties, the lowest
    stay."""
    lots = rows.astype(np.uint32) + np.uint32(0x9E3779B9)  # else row 0 would always have the lowest lot
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        lots = (lots ^ (lots >> np.uint32(shift))) * np.uint32(factor)
    return lots ^ (lots >> np.uint32(16))


def apart(ordered: pl.DataFrame) -> pl.DataFrame:
    """The run in its order, with scores that fall from passage to passage of a query, also as float32.

    A score that does not fall is lowered to the next float32 below the one before it. All others stay as they are.
    """
    if not _tied(ordered).any():
        return ordered
    place = pl.int_range(pl.len(), dtype=pl.Int64)
    steps = ordered.select("query_id", "score").with_columns(step=pl.Series(_steps(ordered)))
    falling = (pl.col("step") + place).cum_min() - place
    # The passages below a passage need room for a step each.
    least = _LOWEST + pl.len().cast(pl.Int64) - 1 - place
    fallen = steps.select(pl.max_horizontal(falling, least).over("query_id")).to_series().to_numpy()
    moved = pl.Series(_floats(fallen).astype(np.float64))
    return ordered.with_columns(
        score=pl.when(pl.Series(fallen != steps["step"].to_numpy())).then(moved).otherwise("score")
    )


def _tied(ordered: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Marks the passages that have the score of a neighbour."""
    same = ordered.select(
        (pl.col("query_id") == pl.col("query_id").shift()) & (SCORE.shift() == SCORE).fill_null(False)
    )
    before: npt.NDArray[np.bool_] = same.to_series().fill_null(False).to_numpy()
    after = np.append(before[1:], False)
    either: npt.NDArray[np.bool_] = before | after
    return either


def _lot(query_id: str, passage_id: str) -> int:
    return int.from_bytes(blake2b(f"{query_id}\0{passage_id}".encode(), digest_size=8).digest())


def _steps(run: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Scores as whole numbers: float32 steps from 0. The order is the same, without gaps."""
    bits = run.select(SCORE).to_series().to_numpy().view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _floats(steps: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    sign = np.where(steps < 0, np.uint32(0x80000000), np.uint32(0))
    return (np.abs(steps).astype(np.uint32) | sign).view(np.float32)

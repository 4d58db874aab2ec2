"""The quality of labels, to be seen before students learn from them: inverted margins, and how far teachers agree."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import kendalltau

from distilrank.errors import ScoreError
from distilrank.scoring.scores import KEY

# The number of queries whose rankings are compared. More would not move the third decimal.
_QUERIES = 1_000
_BINS = 40


def quality(labels: Mapping[str, pl.LazyFrame], compared: Iterable[tuple[str, str]] = ()) -> dict[str, Any]:
    """Figures of each teacher's labels, and of the agreement of the pairs that are `compared`.

    teachers: name -> triples, negative_margins (share), mean and deviation of positives, negatives and margins, and a
    histogram of margins. Its outer bins include what is beyond the 0.5th and 99.5th percentile. agreement: the result
    of `agreement` with the `teachers`. Two teachers without a common query have none.
    """
    pairs = [(one, other, agreement(labels[one], labels[other])) for one, other in compared]
    return {
        "teachers": {name: _figures(table) for name, table in labels.items()},
        "agreement": [{"teachers": [one, other], **figures} for one, other, figures in pairs if figures["queries"]],
    }


def refuse_inverted(teacher: str, labels: pl.LazyFrame, limit: float) -> None:
    """Raises ScoreError if more than `limit` of the margins are negative."""
    share = _negative_share(labels)
    if share > limit:
        raise ScoreError(
            f"labels of {teacher}",
            got=f"{share:.1%} of margins negative",
            expected=f"at most {limit:.1%}, labels.most_negative_margins of params.yaml",
            remedy="train a better teacher, or raise the limit",
        )


def agreement(one: pl.LazyFrame, other: pl.LazyFrame) -> dict[str, float]:
    """How similarly two teachers rank, on up to 1,000 of the queries for which both have labels.

    tau: the mean over queries of Kendall's tau-b (Biometrika 33, 1945) of their scores for the passages that both
    scored. same_order: the share of common triples in which they prefer the same passage. queries: how many were
    compared.
    """
    shared = one.select("query_id").unique().join(other.select("query_id").unique(), on="query_id", how="semi")
    queries = shared.sort("query_id").collect(engine="streaming")
    chosen = queries.sample(min(_QUERIES, len(queries)), seed=0).lazy()
    first, second = (_flat(table.join(chosen, on="query_id", how="semi")) for table in (one, other))
    taus = [tau for scores in _scores_of_both(first, second) if not np.isnan(tau := _tau(scores))]
    triples = first.join(second, on=["query_id", "positive_id", "negative_id"])
    margins = [triples["positive" + side] - triples["negative" + side] for side in ("", "_right")]
    alike = (margins[0].sign() == margins[1].sign()).mean()
    return {
        "queries": len(taus),
        "tau": float(np.mean(taus)) if taus else 0.0,
        "triples": len(triples),
        "same_order": float(alike) if isinstance(alike, float) else 0.0,
    }


def _figures(labels: pl.LazyFrame) -> dict[str, Any]:
    flat = _lazily_flat(labels).select(pl.col("positive", "negative").cast(pl.Float64), margin=_margin())
    names = ("positive", "negative", "margin")
    spread = flat.select(
        pl.len().alias("count"),
        *(pl.col(name).mean().alias(f"{name} mean") for name in names),
        *(pl.col(name).std().fill_null(0.0).alias(f"{name} deviation") for name in names),
        low=pl.col("margin").quantile(0.005),
        high=pl.col("margin").quantile(0.995),
    )
    # Sums of floats in another order differ in their last digits, so these are rounded off.
    row = {name: round(value, 6) for name, value in spread.collect().row(0, named=True).items()}
    return {
        "triples": labels.select(pl.len()).collect(engine="streaming").item(),
        "negative_margins": _negative_share(labels),
        **{name: {"mean": row[f"{name} mean"], "deviation": row[f"{name} deviation"]} for name in names},
        "histogram": _histogram(flat, row["low"], row["high"]),
    }


def _histogram(flat: pl.LazyFrame, low: float, high: float) -> dict[str, list[float]]:
    width = (high - low) / _BINS or 1.0
    place = ((pl.col("margin") - low) / width).floor().clip(0, _BINS - 1).cast(pl.Int64).alias("bin")
    counted = dict(flat.group_by(place).len().collect(engine="streaming").iter_rows())
    return {
        "edges": [low + width * number for number in range(_BINS + 1)],
        "counts": [counted.get(number, 0) for number in range(_BINS)],
    }


def _negative_share(labels: pl.LazyFrame) -> float:
    negative, every = (
        _lazily_flat(labels).select((_margin() < 0).sum(), pl.len().alias("every")).collect(engine="streaming").row(0)
    )
    return float(negative / every)


def _margin() -> pl.Expr:
    # The difference of float32's largest numbers does not fit a float32.
    return pl.col("positive").cast(pl.Float64) - pl.col("negative").cast(pl.Float64)


def _lazily_flat(labels: pl.LazyFrame) -> pl.LazyFrame:
    """A row per triple and negative, with `positive` and `negative` scores."""
    return labels.explode("negative_ids", "negative_scores").select(
        "query_id",
        "positive_id",
        negative_id="negative_ids",
        positive="positive_score",
        negative="negative_scores",
    )


def _flat(labels: pl.LazyFrame) -> pl.DataFrame:
    flat = _lazily_flat(labels).collect(engine="streaming")
    return flat.sort(flat.columns).unique(["query_id", "positive_id", "negative_id"], keep="first", maintain_order=True)


def _scores_of_both(one: pl.DataFrame, other: pl.DataFrame) -> list[pl.DataFrame]:
    """The scores, `score` and `score_right`, of each query for which both scored two passages or more."""
    both = _by_pair(one).join(_by_pair(other), on=KEY)
    return [scores for scores in both.partition_by("query_id") if len(scores) > 1]


def _by_pair(flat: pl.DataFrame) -> pl.DataFrame:
    positives = flat.select("query_id", passage_id="positive_id", score="positive")
    negatives = flat.select("query_id", passage_id="negative_id", score="negative")
    return pl.concat([positives, negatives]).unique(KEY, keep="first", maintain_order=True)


def _tau(scores: pl.DataFrame) -> float:
    return float(kendalltau(scores["score"].to_numpy(), scores["score_right"].to_numpy()).statistic)

"""Scales: what each does to a teacher's scores and margins, and that pseudo-labels survive them."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distilrank.labels.pseudo_labels import Thresholds, triples_from_scores
from distilrank.labels.scales import scale_of
from distilrank.sections.data import Unlabelled
from distilrank.sections.labels import ScaleRule

KEY = ["query_id", "passage_id"]


def table(*queries: list[float]) -> pl.DataFrame:
    rows = [
        (f"q{query}", f"p{place}", score) for query, scores in enumerate(queries) for place, score in enumerate(scores)
    ]
    return pl.DataFrame(
        rows, schema={"query_id": pl.String, "passage_id": pl.String, "score": pl.Float32}, orient="row"
    )


def scaled(rule: ScaleRule, *queries: list[float]) -> list[float]:
    scores = table(*queries)
    every = scores.partition_by("query_id", maintain_order=True)
    return pl.concat(some.with_columns(score=scale_of("T1", rule, every)) for some in every)["score"].to_list()


def test_rank_is_the_share_of_the_querys_other_passages_below() -> None:
    assert scaled("rank", [7.0, -1.0, 3.0], [2.0, 2.0, 9.0, 0.0], [5.0]) == pytest.approx(
        [1.0, 0.0, 0.5, 0.5, 0.5, 1.0, 0.0, 0.5]
    )


@given(st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=20), st.sampled_from(["z", "min-max"]))
def test_z_and_min_max_are_one_map_of_all_queries(raw: list[float], rule: ScaleRule) -> None:
    """Margins of all queries keep their proportions, and the scale is what it is called."""
    raw = [*raw, -60.0, 60.0]
    middle = len(raw) // 2
    found = np.array(scaled(rule, raw[:middle], raw[middle:]))
    if rule == "z":
        assert (found.mean(), found.std(ddof=1)) == (pytest.approx(0, abs=1e-6), pytest.approx(1))
    else:
        assert (found.min(), found.max()) == (0, 1)
    slope = (found[-1] - found[-2]) / 120
    np.testing.assert_allclose(np.subtract.outer(found, found), slope * np.subtract.outer(raw, raw), atol=1e-6)


@pytest.mark.parametrize("rule", ["z", "min-max", "rank"])
def test_the_same_passages_become_pseudo_labels_by_any_scale(rule: ScaleRule) -> None:
    """Thresholds are shares of the labelled: queries of as many passages each, so that ranks compare too."""
    generator = np.random.default_rng(0)
    scores = table(*(sorted(map(float, generator.normal(size=9))) for _ in range(8)))
    labelled, unlabelled = (
        scores.filter(pl.col("query_id").is_in(names)) for names in (["q0", "q1", "q2"], ["q5", "q6"])
    )
    params = Unlabelled(depth=9, triples=2, positive_from=0.5, negative_to=0.5, seed=1)

    def chosen(rule: ScaleRule) -> pl.DataFrame:
        scale = scale_of("T1", rule, [scores]).cast(pl.Float32)
        own, others = (some.with_columns(score=scale) for some in (labelled, unlabelled))
        best, worst = own.filter(pl.col("passage_id") == "p8"), own.filter(pl.col("passage_id") == "p0")
        labels = best.select("query_id", positive_score="score").join(
            worst.select("query_id", negative_scores=pl.concat_list("score")), on="query_id"
        )
        limits = Thresholds.of(labels.lazy(), params)
        return triples_from_scores(others, limits, params, negatives=1).drop("positive_score", "negative_scores")

    if rule == "rank":
        assert chosen(rule)["positive_id"].to_list() == ["p8", "p8"]  # the best of each query, as of the labelled
    else:
        assert chosen(rule).equals(chosen("none"))
        assert len(chosen(rule)) > 0

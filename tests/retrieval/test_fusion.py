"""Fusion of runs, and cascades, against values worked out by hand."""

import math
from itertools import permutations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distilrank.data.runs import RUN_SCHEMA, ranked
from distilrank.errors import ScoreError
from distilrank.retrieval.fusion import reciprocal_rank_fusion, reranked_first, weighted_sum
from distilrank.sections.systems import FusionScale

Scores = dict[str, float]
SCORES = st.dictionaries(
    st.sampled_from("abcdefgh"), st.integers(-20, 20).map(lambda number: number / 4), min_size=1, max_size=8
)


def weighed(runs: list[pl.DataFrame], weights: list[float], scale: FusionScale) -> pl.DataFrame:
    return weighted_sum(dict(zip("xyz", runs, strict=False)), dict(zip("xyz", weights, strict=False)), scale)


def run_of(*queries: Scores) -> pl.DataFrame:
    rows = [(f"q{place}", passage, score) for place, one in enumerate(queries) for passage, score in one.items()]
    return pl.DataFrame(rows, schema=RUN_SCHEMA, orient="row")


def order_of(run: pl.DataFrame, query: str = "q0") -> list[str]:
    return ranked(run).filter(pl.col("query_id") == query)["passage_id"].to_list()


def scores_of(run: pl.DataFrame, query: str = "q0") -> Scores:
    return dict(run.filter(pl.col("query_id") == query).select("passage_id", "score").iter_rows())


def test_reciprocal_rank_fusion_is_that_of_cormack_et_al() -> None:
    """Their formula, worked out: a is first and third, b second and first, c third alone, d second of the other."""
    one, other = run_of({"a": 9.0, "b": 8.0, "c": 1.0}), run_of({"b": 0.3, "d": 0.2, "a": 0.1})
    fused = reciprocal_rank_fusion([one, other], 60)
    assert scores_of(fused) == pytest.approx(
        {"a": 1 / 61 + 1 / 63, "b": 1 / 62 + 1 / 61, "c": 1 / 63, "d": 1 / 62}, rel=1e-12
    )
    assert order_of(fused) == ["b", "a", "d", "c"]


def test_a_query_that_one_run_lacks_is_ranked_by_the_others() -> None:
    one, other = run_of({"a": 2.0}, {"x": 1.0, "y": 0.5}), run_of({"b": 3.0})
    for fused in (
        reciprocal_rank_fusion([one, other], 60),
        weighed([one, other], [0.5, 0.5], "min-max"),
    ):
        assert order_of(fused, "q1") == ["x", "y"]
        assert sorted(order_of(fused)) == ["a", "b"]


@given(st.lists(SCORES, min_size=2, max_size=4))
def test_the_order_of_the_members_does_not_matter(members: list[Scores]) -> None:
    runs = [run_of(one) for one in members]
    fusions = [reciprocal_rank_fusion(list(some), 60) for some in permutations(runs)]
    assert all(order_of(fusion) == order_of(fusions[0]) for fusion in fusions)


@given(SCORES)
def test_a_run_fused_with_itself_keeps_its_order(scores: Scores) -> None:
    run = run_of(scores)
    assert order_of(reciprocal_rank_fusion([run, run], 60)) == order_of(run)
    scales: list[FusionScale] = ["min-max", "z", "none"]
    for scale in scales:
        assert order_of(weighed([run, run], [0.5, 0.5], scale)) == order_of(run)


@given(st.lists(SCORES, min_size=2, max_size=3), st.sampled_from(["min-max", "z", "rank"]))
def test_a_members_range_does_not_matter_where_scores_are_scaled(members: list[Scores], scale: FusionScale) -> None:
    weights = [1 / len(members)] * len(members)
    moved = [{passage: 1024 * score + 64 for passage, score in one.items()} for one in members]
    fused = weighed([run_of(one) for one in members], weights, scale)
    of_moved = weighed([run_of(one) for one in moved], weights, scale)
    assert scores_of(fused) == pytest.approx(scores_of(of_moved), abs=1e-9)


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        # Of one: 4, 2, 1; of the other: 30, 10. What a run lacks counts as the last that it has.
        ("min-max", {"a": 0.25 * 1 + 0.75 * 0, "b": 0.25 / 3 + 0.75 * 1, "c": 0.0, "d": 0.0}),
        ("rank", {"a": 0.25 * 1 + 0.75 * 0, "b": 0.25 / 2 + 0.75 * 1, "c": 0.0, "d": 0.0}),
        ("none", {"a": 1 + 7.5, "b": 0.5 + 22.5, "c": 0.25 + 7.5, "d": 0.25 + 7.5}),
        (
            "z",
            {
                "a": 0.25 * (5 / math.sqrt(14)) - 0.75,
                "b": 0.25 * (-1 / math.sqrt(14)) + 0.75,
                "c": 0.25 * (-4 / math.sqrt(14)) - 0.75,
                "d": 0.25 * (-4 / math.sqrt(14)) - 0.75,
            },
        ),
    ],
)
def test_weighted_sums_are_of_scaled_scores(scale: FusionScale, expected: Scores) -> None:
    one, other = run_of({"a": 4.0, "b": 2.0, "c": 1.0}), run_of({"b": 30.0, "d": 10.0})
    assert scores_of(weighed([one, other], [0.25, 0.75], scale)) == pytest.approx(expected)


def test_scores_that_all_tie_say_nothing() -> None:
    flat, telling = run_of({"a": 7.0, "b": 7.0}), run_of({"b": 2.0, "a": 1.0})
    for scale in ("min-max", "z"):
        assert order_of(weighed([flat, telling], [0.9, 0.1], scale)) == ["b", "a"]


def test_a_score_without_a_rank_is_refused() -> None:
    with pytest.raises(ScoreError, match="passage 'a' of query 'q0': got the score nan"):
        reciprocal_rank_fusion([run_of({"a": math.nan}), run_of({"b": 1.0})], 60)


@given(SCORES, st.data())
def test_a_cascade_ranks_what_was_re_ranked_and_leaves_the_rest_behind(first: Scores, data: st.DataObject) -> None:
    """Whatever the scores: also where the ranker's are below all of the first stage's, and tie."""
    order = order_of(run_of(first))
    depth = data.draw(st.integers(1, len(order)))
    scores = {passage: data.draw(st.integers(-3, 3)) * 1e6 - 1e9 for passage in order[:depth]}
    cascaded = reranked_first(run_of(scores), run_of(first))
    assert order_of(cascaded) == [*order_of(run_of(scores)), *order[depth:]]
    falling = ranked(cascaded)["score"].to_numpy().astype(np.float32)
    assert (np.diff(falling) < 0).all()


def test_a_cascade_of_several_queries_keeps_them_apart() -> None:
    first = run_of({"a": 3.0, "b": 2.0, "c": 1.0}, {"x": 3.0, "y": 2.0})
    cascaded = reranked_first(run_of({"b": 0.9, "a": 0.1}, {"y": -5.0}), first)
    assert order_of(cascaded) == ["b", "a", "c"] and order_of(cascaded, "q1") == ["y", "x"]
    assert scores_of(cascaded)["b"] == 0.9

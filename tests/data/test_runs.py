"""Runs: ranked as trec_eval ranks them, refused where they cannot be."""

import math
import re

import numpy as np
import polars as pl
import pytest
import pytrec_eval
from hypothesis import example, given
from hypothesis import strategies as st

from distilrank.data.runs import RUN_SCHEMA, ranked, top
from distilrank.errors import ScoreError
from distilrank.evaluation.measures import measure

Scores = dict[str, float]
IDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=3)
# Among them many that only doubles tell apart, and as many that floats just do.
NEAR_ONE = st.integers(-40, 40).map(lambda steps: 1 + steps * 2.0**-26)
FINITE = st.floats(min_value=-3e38, max_value=3e38, allow_nan=False) | st.sampled_from([0.0, -0.0, 1e-50])
RUNS = st.dictionaries(IDS, NEAR_ONE | FINITE, min_size=1, max_size=12)


def run_of(scores: Scores) -> pl.DataFrame:
    rows = [("q", passage_id, score) for passage_id, score in scores.items()]
    return pl.DataFrame(rows, schema=RUN_SCHEMA, orient="row")


def trec_eval_order(scores: Scores) -> list[str]:
    """As its own code ranks them: each passage is the relevant one of a query of its own."""
    evaluator = pytrec_eval.RelevanceEvaluator({one: {one: 1} for one in scores}, {"recip_rank"})
    found = evaluator.evaluate(dict.fromkeys(scores, scores))
    return sorted(scores, key=lambda one: -found[one]["recip_rank"])


@given(RUNS)
@example({"a": 1 + 1e-9, "b": 1.0})
@example({"a": 1 + 1e-7, "b": 1.0})
@example({"a": 16_777_217.0, "b": 16_777_216.0})
def test_the_order_is_trec_evals(scores: Scores) -> None:
    assert ranked(run_of(scores))["passage_id"].to_list() == trec_eval_order(scores)


@given(RUNS, st.integers(1, 12))
def test_a_cut_run_measures_as_trec_eval_would_have_cut_it(scores: Scores, depth: int) -> None:
    run = run_of(scores)
    for passage_id in scores:
        qrels = pl.DataFrame({"query_id": ["q"], "passage_id": [passage_id], "relevance": [1]})
        whole, cut = (
            measure(one, qrels).filter(pl.col("measure") == "AP@1000")["value"].item() for one in (run, top(run, depth))
        )
        rank = 1 + trec_eval_order(scores).index(passage_id)
        assert whole == pytest.approx(1 / rank)
        assert cut == pytest.approx(1 / rank if rank <= depth else 0)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, 1e39])
def test_a_score_that_cannot_be_ranked_is_refused_by_query_and_passage(score: float) -> None:
    run = pl.concat([run_of({"a": 1.0, "b": 0.5}), pl.DataFrame([("p", "c", score)], schema=RUN_SCHEMA, orient="row")])
    qrels = pl.DataFrame({"query_id": ["q"], "passage_id": ["a"], "relevance": [1]})
    for refuse in (ranked, lambda one: top(one, 1), lambda one: measure(one, qrels)):
        with pytest.raises(ScoreError, match=re.escape(f"passage 'c' of query 'p': got the score {score}, expected")):
            refuse(run)


def test_the_last_finite_float_is_a_score() -> None:
    highest = float(np.finfo(np.float32).max)
    assert ranked(run_of({"a": -highest, "b": highest}))["passage_id"].to_list() == ["b", "a"]

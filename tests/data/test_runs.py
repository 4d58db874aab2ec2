"""Runs: ranked as trec_eval ranks them where they are given, by lot where they are ours; refused where they cannot."""

import math
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import pytrec_eval
from hypothesis import example, given
from hypothesis import strategies as st

from distilrank.data.runs import RUN_SCHEMA, as_given, ranked, read_trec, top, write_trec
from distilrank.errors import ScoreError
from distilrank.evaluation.measures import means, measure

Scores = dict[str, float]
IDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=3)
# Among them many that only doubles tell apart, and as many that floats just do.
NEAR_ONE = st.integers(-40, 40).map(lambda steps: 1 + steps * 2.0**-26)
FINITE = st.floats(min_value=-3e38, max_value=3e38, allow_nan=False) | st.sampled_from([0.0, -0.0, 1e-50])
HIGHEST = float(np.finfo(np.float32).max)
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
    assert as_given(run_of(scores))["passage_id"].to_list() == trec_eval_order(scores)


@given(RUNS)
@example({"a": -HIGHEST, "b": -HIGHEST, "c": -HIGHEST})
@example({"a": HIGHEST, "b": HIGHEST, "c": 0.0, "d": -0.0})
def test_what_is_written_is_read_in_our_order_by_every_program(scores: Scores) -> None:
    run = run_of(scores)
    with TemporaryDirectory() as folder:
        write_trec(run, Path(folder) / "run.trec", "x")
        written = read_trec(Path(folder) / "run.trec")
    order = ranked(run)["passage_id"].to_list()
    for read in (written, written.with_columns(pl.col("score").cast(pl.Float32).cast(pl.Float64))):
        assert read["score"].n_unique() == len(scores)
        assert read.sort("score", descending=True)["passage_id"].to_list() == order
    assert trec_eval_order(dict(written.select("passage_id", "score").iter_rows())) == order
    # By a few float32 at most, and not at all where there was no tie.
    distinct = len({np.float32(score) + 0 for score in scores.values()}) == len(scores)
    moved = {one: score for one, _, score in written.select("passage_id", "query_id", "score").iter_rows()}
    assert all(moved[one] == scores[one] for one in scores) or not distinct
    assert all(moved[one] == pytest.approx(scores[one], rel=1e-5, abs=1e-30) for one in scores)


@given(RUNS, st.integers(1, 12))
def test_a_cut_run_measures_as_trec_eval_would_have_cut_it(scores: Scores, depth: int) -> None:
    run = as_given(run_of(scores))
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
    assert ranked(run_of({"a": -HIGHEST, "b": HIGHEST}))["passage_id"].to_list() == ["b", "a"]


# Relevant are a tenth of the passages, with the highest ids or the lowest.
@pytest.mark.parametrize("relevant", [range(90, 100), range(10)])
def test_a_constant_scorer_has_what_a_random_order_has(relevant: range) -> None:
    queries, passages = [f"q{number}" for number in range(400)], [f"p{number:02}" for number in range(100)]
    run = pl.DataFrame({"query_id": queries}).join(pl.DataFrame({"passage_id": passages}), how="cross")
    constant = run.with_columns(score=pl.lit(1.5))
    qrels = run.filter(pl.col("passage_id").is_in([passages[one] for one in relevant])).with_columns(
        relevance=pl.lit(1)
    )
    expected = np.mean([_ndcg_at_10(np.random.default_rng(seed).permutation(100) < 10) for seed in range(4000)])
    names = ["nDCG@10", "P@10", "R@50"]
    got = means(measure(constant, qrels, measures=names))
    # Four standard errors of 400 queries are .02.
    assert got == {
        name: pytest.approx(value, abs=0.02) for name, value in zip(names, [expected, 0.1, 0.5], strict=True)
    }
    with TemporaryDirectory() as folder:
        write_trec(constant, Path(folder) / "run.trec", "x")
        assert means(measure(read_trec(Path(folder) / "run.trec"), qrels, measures=names)) == got
    # As trec_eval breaks ties, the constancy would be worth everything, or nothing.
    assert means(measure(as_given(constant), qrels, measures=["P@10"])) == {"P@10": 1.0 if relevant[0] else 0.0}


def _ndcg_at_10(is_relevant: npt.NDArray[np.bool_]) -> float:
    discounts = 1 / np.log2(np.arange(2, 12))
    return float(discounts[is_relevant[:10]].sum() / discounts.sum())

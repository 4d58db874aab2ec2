"""Figures over several seeds, worked out by hand."""

import polars as pl
import pytest

from distilrank.results.seeds import measures_over_seeds, over_seeds

METRICS = {
    "rerank": {
        "bm25": {"AP": 0.5},
        "dot-T1": {"AP": 0.4},
        "dot-T1~2": {"AP": 0.6},
        "dot-T1~13": {"AP": 0.8},
    },
    "retrieve": {"bm25": {"AP": 0.5}, "dot-T1": {"AP": 0.3}},
}


def test_means_and_sample_deviations_over_the_seeds_that_were_measured() -> None:
    means, deviations = over_seeds(METRICS)
    assert means == {
        "rerank": {"bm25": {"AP": 0.5}, "dot-T1": {"AP": pytest.approx(0.6)}},
        "retrieve": {"bm25": {"AP": 0.5}, "dot-T1": {"AP": 0.3}},
    }
    # (.2² + 0 + .2²) / (3 - 1) = .04.
    assert deviations == {"rerank": {"dot-T1": {"AP": pytest.approx(0.2)}}, "retrieve": {}}


def test_a_query_has_the_mean_of_its_values() -> None:
    columns = ["ranker", "task", "query_id", "measure", "value"]
    rows = [
        ("dot", "rerank", "q1", "AP", 0.2),
        ("dot", "rerank", "q2", "AP", 1.0),
        ("dot~2", "rerank", "q1", "AP", 0.4),
    ]
    assert measures_over_seeds(pl.DataFrame(rows, schema=columns, orient="row")).rows() == [
        ("dot", "rerank", "q1", "AP", pytest.approx(0.3)),
        ("dot", "rerank", "q2", "AP", 1.0),
    ]

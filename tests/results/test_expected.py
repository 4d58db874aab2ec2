"""Grades of a run's figures against published ones."""

import pytest

from distilrank.results.expected import graded, not_graded
from distilrank.sections.measuring import ExpectedFigures


def expected(test_set: str = "test") -> ExpectedFigures:
    return ExpectedFigures(
        collection="own",
        test_set=test_set,
        task="rerank",
        measure="nDCG@10",
        source="a paper, table 2",
        seed_noise=0.004,
        near=0.02,
        figures={"dot": 0.7},
    )


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("apart", "grade"),
    [
        (0.0, "within seed noise"),
        (0.004, "within seed noise"),
        (0.0041, "near"),
        (0.02, "near"),
        (0.0201, "off"),
    ],
)
def test_a_bound_belongs_to_the_better_grade(apart: float, side: int, grade: str) -> None:
    [table] = graded([expected()], "own", {"rerank": {"dot": {"nDCG@10": 0.7 + side * apart}}})
    [row] = table.rows
    assert row.grade == grade
    assert row.difference == pytest.approx(side * apart)


@pytest.mark.parametrize(
    "metrics",
    [
        {"dl19/rerank": {"bm25": {"nDCG@10": 0.7}}},
        {"dl19/rerank": {"dot": {"AP@1000": 0.7}}},
        {"dl19/retrieve": {"dot": {"nDCG@10": 0.7}}},
        {"dl20/rerank": {"dot": {"nDCG@10": 0.7}}},
        {"rerank": {"dot": {"nDCG@10": 0.7}}},
    ],
)
def test_another_ranker_measure_task_or_set_does_not_count(metrics: dict[str, dict[str, dict[str, float]]]) -> None:
    [table] = graded([expected("dl19")], "own", metrics)
    [row] = table.rows
    assert (row.grade, row.got, row.difference) == ("not measured", None, None)


def test_figures_of_another_collection_grade_nothing_and_say_so() -> None:
    metrics = {"rerank": {"dot": {"nDCG@10": 0.7}}}
    assert graded([expected()], "another", metrics) == []
    assert not_graded([expected()], "another") == [
        "Not graded, for this collection is another: nDCG@10 of re-ranking: test on own (a paper, table 2)."
    ]
    assert not_graded([expected()], "own") == []

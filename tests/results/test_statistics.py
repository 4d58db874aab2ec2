"""Each taught student beside others, by golden figures worked out apart: scipy's t, every exchange, Holm by hand."""

from itertools import product

import numpy as np
import polars as pl
import pytest
from scipy.stats import ttest_rel

from distilrank.config.params import Params
from distilrank.evaluation.significance import effect_size
from distilrank.results.statistics import Compared, statistics

# Query by query, of six queries, in eighths: sums of them are exact.
VALUES = {
    "bm25": [2, 3, 1, 4, 0, 5],
    "T1": [7, 8, 6, 8, 5, 8],
    "dot-start": [1, 0, 2, 1, 0, 3],
    "dot": [3, 4, 1, 5, 2, 4],
    "dot-T1": [5, 6, 4, 4, 5, 8],
}
OTHERS = {"control": "dot", "teacher": "T1", "first stage": "bm25", "start": "dot-start"}


def table(values: dict[str, list[int]], task: str = "rerank", measure: str = "nDCG@10") -> pl.DataFrame:
    rows = [
        (ranker, task, f"q{number}", measure, value / 8)
        for ranker, own in values.items()
        for number, value in enumerate(own)
    ]
    return pl.DataFrame(rows, schema=["ranker", "task", "query_id", "measure", "value"], orient="row")


@pytest.fixture
def params(tiny_params: Params) -> Params:
    values = tiny_params.model_dump()
    values["matrix"]["teachers"] = ["T1"]
    values["students"].pop("tk")
    return Params.model_validate(values)


@pytest.fixture
def rows(params: Params) -> dict[str, Compared]:
    return {row.role: row for row in statistics(params, table(VALUES))}


def test_a_taught_student_stands_beside_all_four(rows: dict[str, Compared]) -> None:
    assert {role: row.other for role, row in rows.items()} == OTHERS
    for row in rows.values():
        assert (row.task, row.measure, row.ranker, row.queries) == ("rerank", "nDCG@10", "dot-T1", 6)
        assert (row.value, row.other_value) == (32 / 48, sum(VALUES[row.other]) / 48)
        assert row.difference.difference == pytest.approx(row.value - row.other_value)


def test_p_values_are_scipys_and_all_exchanges_by_holm(rows: dict[str, Compared]) -> None:
    t_tests = [float(ttest_rel(VALUES["dot-T1"], VALUES[other]).pvalue) for other in OTHERS.values()]
    exchanges = []
    for other in OTHERS.values():
        apart = np.array(VALUES["dot-T1"]) - np.array(VALUES[other])
        exchanges.append(
            np.mean([abs(np.dot(signs, apart)) >= abs(apart.sum()) for signs in product((1, -1), repeat=6)])
        )
    for place, row in enumerate(rows.values()):
        assert row.difference.t_test == pytest.approx(_holm(t_tests)[place])
        assert row.difference.randomisation == pytest.approx(_holm(exchanges)[place])


def _holm(p_values: list[float]) -> list[float]:
    """Of four: each times one more than those that are larger, and no less than any that is smaller."""
    ascending = sorted(p_values)
    steps = [min(1.0, max(ascending[i] * (4 - i) for i in range(step + 1))) for step in range(4)]
    return [steps[ascending.index(p)] for p in p_values]


def test_cohens_d_by_hand(rows: dict[str, Compared]) -> None:
    # dot-T1 less dot: 2, 2, 3, -1, 3, 4; mean 13/6, squares off it sum to 43 - 169/6 = 89/6, variance 89/30.
    assert rows["control"].effect == pytest.approx(13 / 6 / np.sqrt(89 / 30))
    # It is t by the root of the number of queries.
    t = ttest_rel(VALUES["dot-T1"], VALUES["dot"]).statistic
    assert rows["control"].effect == pytest.approx(t / np.sqrt(6))
    assert effect_size(np.zeros(5)) == 0
    assert effect_size(np.full(5, -0.25)) == -np.inf


def test_an_interval_holds_the_difference_and_is_narrower_than_the_range(rows: dict[str, Compared]) -> None:
    for row in rows.values():
        apart = (np.array(VALUES["dot-T1"]) - np.array(VALUES[row.other])) / 8
        assert apart.min() <= row.difference.low <= row.difference.difference <= row.difference.high <= apart.max()


def test_each_task_and_measure_is_a_table_of_its_own(params: Params, rows: dict[str, Compared]) -> None:
    searched = {name: VALUES[name] for name in ("bm25", "dot", "dot-T1")}
    every = [table(VALUES), table(VALUES, measure="RR@10"), table(searched, task="retrieve")]
    found = statistics(params, pl.concat(every))
    tables = [(row.task, row.measure) for row in found]
    assert tables == [("rerank", "nDCG@10")] * 4 + [("rerank", "RR@10")] * 4 + [("retrieve", "nDCG@10")] * 2
    # The others in a table count for its correction, and none outside.
    assert [row.difference for row in found[:4]] == [row.difference for row in rows.values()]
    assert found[-1].difference.t_test < rows["first stage"].difference.t_test


def test_an_ensembles_members_are_compared_with_one_by_one(tiny_params: Params) -> None:
    values = VALUES | {"T1b": VALUES["dot"], "dot-T2": VALUES["dot-T1"]}
    found = statistics(tiny_params, table(values))
    assert [row.other for row in found if (row.ranker, row.role) == ("dot-T2", "teacher")] == ["T1", "T1b"]

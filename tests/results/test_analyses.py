"""The analyses of the report: by hand, by scipy, and as the page shows them."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import kendalltau, linregress
from tests.results.test_report import cells, lead, number, per_query, times_of, write_collection, write_results

from distilrank.artifacts import layout
from distilrank.artifacts.costs import Cost
from distilrank.config.params import Params
from distilrank.data.runs import ranked, read_trec
from distilrank.results.report import ReportInputs, write_report
from distilrank.results.report.agreement import knowledge, mean_tau
from distilrank.results.report.breakdown import Bin, binned, breakdowns, even_edges
from distilrank.results.report.by_query import by_query, largest
from distilrank.results.report.calibration import calibrations, in_bins, margins_of_both, slope_of
from distilrank.results.report.cost import Costs, Way, costs, dominating
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.rerank_depth import cut, depth_curves, depths_up_to
from distilrank.results.report.shipping import choose, excess

Run = list[tuple[str, str, float, bool]]


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_params: Params) -> ReportInputs:
    monkeypatch.chdir(tmp_path)
    evaluation = tiny_params.evaluation.model_copy(update={"depth": 15})
    params = tiny_params.model_copy(update={"evaluation": evaluation})
    write_results(params, write_collection())
    return ReportInputs.read(params)


def ranker(inputs: ReportInputs, name: str) -> ReportedRanker:
    return next(one for one in inputs.rankers if one.name == name)


def run_of(rows: Run) -> pl.DataFrame:
    return ranked(pl.DataFrame(rows, schema=["query_id", "passage_id", "score", "relevant"], orient="row"))


def first_relevant(name: str) -> dict[str, int]:
    """By query, the rank of its one relevant passage."""
    run = ranked(read_trec(layout.run_of(name, "rerank")))
    qrels = pl.read_parquet(layout.COLLECTION / "qrels.parquet")
    return dict(run.join(qrels, on=["query_id", "passage_id"]).select("query_id", "rank").iter_rows())


# Kendall's tau, and what a student lost of its teacher's.


def test_tau_is_scipys_of_each_query_averaged(inputs: ReportInputs) -> None:
    student, teacher = (read_trec(layout.run_of(name, "rerank")) for name in ("dot-T1", "T1"))
    both = student.join(teacher, on=["query_id", "passage_id"])
    taus = [kendalltau(one["score"], one["score_right"]).statistic for _, one in both.group_by("query_id")]
    [row] = [row for row in knowledge(inputs, ranker(inputs, "dot-T1")).rows if row.ranker.name == "dot-T1"]
    assert row.tau == pytest.approx(np.mean(taus))


def test_tau_of_the_same_order_is_1_and_of_ties_alone_nothing() -> None:
    run = run_of([("q", "a", 3.0, True), ("q", "b", 2.0, False), ("q", "c", 1.0, False)])
    assert mean_tau(run, run.with_columns(pl.col("score") * 10 - 100)) == pytest.approx(1)
    assert mean_tau(run, run.with_columns(-pl.col("score"))) == pytest.approx(-1)
    assert mean_tau(run, run.with_columns(score=pl.lit(0.0))) is None


def test_queries_are_counted_by_who_answers_them_first(inputs: ReportInputs) -> None:
    student, teacher = first_relevant("dot-T1"), first_relevant("T1")
    [row] = [row for row in knowledge(inputs, ranker(inputs, "dot-T1")).rows if row.ranker.name == "dot-T1"]
    right = [(student[query] == 1, teacher[query] == 1) for query in student]
    wanted = [right.count(who) for who in ((True, True), (False, True), (True, False), (False, False))]
    assert [row.both, row.lost, row.won, row.neither] == wanted
    assert sum(wanted) == 12


def test_what_a_student_lost_is_what_its_teacher_answers_first_and_it_does_not(inputs: ReportInputs) -> None:
    every = inputs.params.report.model_copy(update={"queries": 12})
    inputs = replace(inputs, params=inputs.params.model_copy(update={"report": every}))
    student, teacher = first_relevant("tk-T1"), first_relevant("T1")
    missed = {f"query number {int(query[1:])}": rank for query, rank in student.items() if teacher[query] == 1 < rank}
    lost = knowledge(inputs, ranker(inputs, "tk-T1")).lost
    assert missed
    assert {one.query: one.rank for one in lost} == missed
    assert [one.rank for one in lost] == sorted(missed.values(), reverse=True)
    assert all(one.known.passage_id != one.instead.passage_id for one in lost)


def test_an_ensembles_student_is_compared_with_its_members_mean(inputs: ReportInputs) -> None:
    members = [read_trec(layout.run_of(name, "rerank")).sort("query_id", "passage_id") for name in ("T1", "T1b")]
    mean = members[0].with_columns(score=(members[0]["score"] + members[1]["score"]) / 2)
    [row] = [row for row in knowledge(inputs, ranker(inputs, "dot-T2")).rows if row.ranker.name == "dot-T2"]
    assert row.tau == pytest.approx(mean_tau(read_trec(layout.run_of("dot-T2", "rerank")), mean))


# The depth of re-ranking.


def test_beyond_the_depth_the_first_stages_order_stays() -> None:
    run = run_of([("q", name, place, False) for place, name in enumerate("abcde")])
    run = run.with_columns(first=6 - pl.col("rank"))  # the other way round
    for depth, order in ((1, "abcde"), (2, "bacde"), (3, "cbade"), (5, "edcba"), (9, "edcba")):
        assert "".join(ranked(cut(run, depth).drop("rank"))["passage_id"]) == order


def test_depths_end_with_the_evaluations() -> None:
    assert depths_up_to(10) == [10]
    assert depths_up_to(100) == [10, 20, 50, 100]
    assert depths_up_to(1000) == [10, 20, 50, 100, 200, 500, 1000]


def test_at_full_depth_a_curve_ends_at_the_tables_figure(inputs: ReportInputs) -> None:
    curves = depth_curves(inputs)
    assert curves
    assert curves.depths == [10, 15]
    assert curves.first_stage[1] == pytest.approx(inputs.metrics["rerank"]["bm25"]["nDCG@10"])
    for shown, curve in curves.curves:
        assert curve[15] == pytest.approx(inputs.metrics["rerank"][shown.name]["nDCG@10"])


# Calibration.


def test_the_slope_is_that_of_the_least_squares_line() -> None:
    random = np.random.default_rng(0)
    teacher = random.normal(5, 3, 500)
    student = 0.6 * teacher + random.normal(0, 1, 500)
    assert slope_of(teacher, student) == pytest.approx(linregress(teacher, student).slope)


def test_margins_are_of_a_querys_relevant_passage_and_each_other() -> None:
    student = run_of([("q", "a", 3.0, True), ("q", "b", 1.0, False), ("q", "c", 4.0, False), ("r", "d", 9.0, False)])
    teacher = student.with_columns(score=pl.col("score") * 2 + 1)
    theirs, mine = margins_of_both(student, teacher)
    assert sorted(mine) == [-1.0, 2.0]
    assert sorted(theirs) == [-2.0, 4.0]


def test_bins_hold_as_many_pairs_each() -> None:
    teacher = np.array([4.0, 1.0, 3.0, 2.0])
    means, students = in_bins(teacher, 10 * teacher, 2)
    assert (means.tolist(), students.tolist()) == ([1.5, 3.5], [15.0, 35.0])


def test_each_taught_student_has_its_slope_on_the_page(inputs: ReportInputs) -> None:
    page = write_report(inputs)
    found = calibrations(inputs)
    assert [one.ranker.name for one in found] == ["dot-T1", "dot-T2", "tk-T1", "tk-T2"]
    assert all(f"Margins of {one.ranker.name} against those of {one.ranker.teacher}" in page for one in found)
    assert found[0].pairs == 12 * 4
    assert all(one.slope == pytest.approx(one.correlation * one.spread) for one in found)
    assert "dotted: as its teacher" in page


def test_labels_on_a_scale_ask_for_no_margins_as_large_as_the_teachers(inputs: ReportInputs) -> None:
    labels = inputs.params.labels.model_copy(update={"scale": "z"})
    page = write_report(replace(inputs, params=inputs.params.model_copy(update={"labels": labels})))
    assert "Labels were brought to the scale z" in page
    assert "dotted: as its teacher" not in page
    assert "Margin-MSE asks for the dotted line" not in page


def test_bm25_as_a_teacher_has_an_order_and_margins_to_compare_with(inputs: ReportInputs) -> None:
    matrix = inputs.params.matrix.model_copy(update={"teachers": ["bm25"]})
    params = inputs.params.model_copy(update={"matrix": matrix})
    taught = [replace(one, teacher="bm25") for one in inputs.rankers if one.name == "dot-T1"]
    inputs = replace(inputs, rankers=taught, runs=replace(inputs.runs, params=params))
    [row], [calibration] = knowledge(inputs, taught[0]).rows, calibrations(inputs)
    student, bm25 = (read_trec(layout.run_of(name, "rerank")) for name in ("dot-T1", "bm25"))
    assert row.tau == pytest.approx(mean_tau(student, bm25))
    assert calibration.pairs == 12 * 4


# Query by query.


def test_the_largest_wins_and_as_many_of_the_largest_losses() -> None:
    table = pl.DataFrame({"query_id": list("abcdef"), "difference": [0.1, -0.5, 0.0, 0.9, 0.3, -0.2]})
    assert largest(table, 2)["query_id"].to_list() == ["d", "e", "f", "b"]
    assert largest(table, 9)["query_id"].to_list() == ["d", "e", "a", "f", "b"]


def test_wins_and_losses_stand_with_ranks_and_texts(inputs: ReportInputs) -> None:
    found = by_query(inputs, ranker(inputs, "dot-T1"), ranker(inputs, "T1"))
    assert [one.name for one in found.rankers] == ["dot-T1", "dot", "T1"]
    differences = np.array(per_query("dot-T1", "nDCG@10")) - np.array(per_query("dot", "nDCG@10"))
    assert (found.wins, found.losses) == ((differences > 1e-9).sum(), (differences < -1e-9).sum())
    assert found.wins + found.losses + found.ties == 12
    ranks = {name: first_relevant(name) for name in ("dot-T1", "dot", "T1")}
    for row in found.shown:
        query = f"q{int(row.query.rsplit(' ', 1)[1]):02}"
        assert row.difference == pytest.approx(differences[int(query[1:])])
        assert [answer.rank for answer in row.answers] == [of_ranker[query] for of_ranker in ranks.values()]
        assert all(answer.right == (answer.rank == 1) for answer in row.answers)
    shown = [row.difference for row in found.shown]
    assert shown == sorted(shown, reverse=True)
    assert sum(one > 0 for one in shown) <= inputs.params.report.queries


def test_the_page_sorts_only_what_it_shows_without_a_script_too(inputs: ReportInputs) -> None:
    page = write_report(inputs)
    table = re.findall(r'<table class="results sortable compared">(.*?)</table>', page, re.DOTALL)[0]
    told = [number(value) for value in re.findall(r'<td data-value="([^"]*)"><span', table)]
    assert told == sorted(told, reverse=True)
    assert "<button" not in page, "the script makes them"
    assert "&lt;script&gt;" in table


# By kind of query.


def test_bins_go_from_edge_to_edge() -> None:
    numbers = pl.DataFrame({"query_id": list("abcdef"), "number": [1, 1, 2, 4, 4, 12]})
    bins = binned(numbers, (1, 2, 3, 6, 11, 51))
    assert [one for one, _ in bins] == [Bin(1, 1, 2), Bin(2, 2, 1), Bin(4, 4, 2), Bin(12, 12, 1)]
    assert Bin(3, 5, 9).label == "3–5"
    assert even_edges(pl.Series([3, 3, 4, 5, 6, 7, 8, 9]), 4) == [3, 4, 6, 8]
    assert even_edges(pl.Series([5, 5, 5, 5]), 4) == [5]


def test_bins_hold_the_means_of_their_queries(inputs: ReportInputs) -> None:
    longer = pl.when(pl.col("query_id") < "q04").then(pl.col("text") + " asked at length").otherwise("text")
    queries = inputs.collection.queries.with_columns(text=longer)
    inputs = replace(inputs, collection=replace(inputs.collection, queries=queries))
    [found] = breakdowns(inputs, [ranker(inputs, "bm25"), ranker(inputs, "dot-T1")])
    assert [(one.label, one.queries) for one in found.bins] == [("3", 8), ("6", 4)]
    values = np.array(per_query("dot-T1", "nDCG@10"))
    shown, means = found.rows[1]
    assert shown.name == "dot-T1"
    assert [one.value for one in means] == pytest.approx([values[4:].mean(), values[:4].mean()])
    assert all(one.low <= one.value <= one.high for one in means)


# Cost, and what to ship.


@pytest.fixture
def cost(inputs: ReportInputs) -> Callable[..., Costs]:
    def of(
        name: str, value: float, served: float | None, stored: float | None = 0.0, beforehand: float | None = None
    ) -> Costs:
        return Costs(ranker(inputs, name), value, served, beforehand, stored, None, None)

    return of


def test_nothing_is_faster_and_better_than_the_pareto_front(cost: Callable[..., Costs]) -> None:
    fast, worse, best, late = cost("dot", 0.5, 1), cost("dot-T1", 0.4, 2), cost("T1", 0.9, 9), cost("T1b", 0.9, 10)
    assert dominating([best, late, worse, fast, cost("bm25", 1.0, None)]) == [fast, best]


def test_the_best_within_the_budgets_is_chosen_on_the_development_queries(cost: Callable[..., Costs]) -> None:
    small, good, slow = cost("dot", 0.5, 20, 100, 1), cost("dot-T1", 0.4, 20, 900, 5), cost("T1", 0.9, 50)
    every, on_dev = [small, good, slow], {"dot": 0.3, "dot-T1": 0.6, "T1": 0.9}
    stored, of_good = Way(True, 1, 100), Way(True, 5, 900)
    assert choose(every, {"milliseconds": 10}, on_dev) == (good, of_good)
    assert choose(every, {"milliseconds": 10, "bytes_per_passage": 100}, on_dev) == (small, stored)
    assert choose(every, {"bytes_per_passage": 0}, on_dev) == (slow, Way(False, 50, 0))
    assert choose(every, {"milliseconds": 0.8}, on_dev) == (small, stored), "the nearest"
    assert excess(stored, {"milliseconds": 0.8, "bytes_per_passage": 200}) == pytest.approx(1.25)


def test_a_time_is_charged_with_what_is_stored_for_it(cost: Callable[..., Costs]) -> None:
    """What is served stores nothing; vectors that are stored make it fast."""
    dense, on_dev = cost("dot", 0.5, 300, 3000, 3), {"dot": 0.5}
    assert choose([dense], {"milliseconds": 50, "bytes_per_passage": 4000}, on_dev) == (dense, Way(True, 3, 3000))
    assert choose([dense], {"milliseconds": 500, "bytes_per_passage": 4000}, on_dev) == (dense, Way(False, 300, 0))
    _, nearest = choose([dense], {"milliseconds": 50, "bytes_per_passage": 100}, on_dev)
    assert (nearest.beforehand, excess(nearest, {"milliseconds": 50, "bytes_per_passage": 100})) == (False, 6)


def with_budgets(inputs: ReportInputs, **budgets: float) -> str:
    report = inputs.params.report
    given = report.model_copy(update={"budgets": report.budgets.model_copy(update={"milliseconds": None} | budgets)})
    return lead(write_report(replace(inputs, params=inputs.params.model_copy(update={"report": given}))))


def test_the_report_begins_with_what_to_ship(inputs: ReportInputs) -> None:
    times = json.loads(layout.LATENCY.read_text())["milliseconds"]["rerank"]
    slowest = max(times["tk-T1"]["single"]["median"], times["tk-T2"]["single"]["median"])
    words = with_budgets(inputs, milliseconds=slowest + 0.001, bytes_per_passage=0)
    values, teacher = (np.array(per_query(name, "nDCG@10")) for name in ("tk-T1", "T1"))
    wanted = (
        r"Within [\d.]+ ms per query and nothing per passage, of the models trained here ship tk-T1 , as it is served: "
    )
    assert re.match(rf"{wanted}it reaches {values.mean():.3f} nDCG@10", words)
    difference = (values - teacher).mean()
    told = f"{abs(difference):.3f} {'more' if difference > 0 else 'less'} than T1 (95"
    assert told in words or f"{difference:+.3f} against T1, which may be chance (95".replace("-", "−") in words
    [row] = [
        one
        for one in inputs.tests
        if (one.task, one.measure) == ("rerank", "nDCG@10")
        if one.ranker == "tk-T1"
        if one.role == "teacher"
    ]
    corrected = row.difference.p_value
    assert f"; {'p < 0.001' if corrected < 0.001 else f'p = {corrected:.3f}'})" in words, "as among the tests"
    assert "trained here" not in with_budgets(inputs)
    assert with_budgets(inputs).startswith("tk-T1, the taught student that the development queries chose")


def test_where_nothing_fits_the_nearest_is_named(inputs: ReportInputs) -> None:
    times = json.loads(layout.LATENCY.read_text())["milliseconds"]["rerank"]
    trained = [name for name in times if name not in ("bm25", "backbone")]
    nearest = min(trained, key=lambda name: times[name]["encoded beforehand"]["median"])
    took = times[nearest]["encoded beforehand"]["median"]
    most = took / 2
    words = with_budgets(inputs, milliseconds=most)
    said = f"No model trained here fits within {most:g} ms per query: {nearest} comes nearest, with passages encoded "
    assert words.replace("\N{NO-BREAK SPACE}", " ").startswith(said)
    assert f"with {took:g} ms per query. It reaches" in words.replace("\N{NO-BREAK SPACE}", " ")


def test_a_ranker_that_was_not_trained_here_is_named_where_it_fits_and_is_better(inputs: ReportInputs) -> None:
    better = {name: values | {"nDCG@10": 0.99} for name, values in inputs.metrics["rerank"].items() if name == "bm25"}
    metrics = inputs.metrics | {"rerank": inputs.metrics["rerank"] | better}
    told = "bm25, which was not trained here, fits too, and reaches 0.990."
    assert told in with_budgets(replace(inputs, metrics=metrics), milliseconds=1000.0)
    assert "which was not trained here" not in with_budgets(inputs, milliseconds=1000.0)
    # What BM25 stores was not measured.
    stored = with_budgets(replace(inputs, metrics=metrics), milliseconds=1000.0, bytes_per_passage=0)
    assert "which was not trained here" not in stored


def test_a_choice_by_times_that_cannot_be_trusted_says_so(inputs: ReportInputs) -> None:
    told = "rests on times that cannot be trusted"
    assert told not in with_budgets(inputs, milliseconds=1000.0)
    rerank = dict(inputs.latency.milliseconds["rerank"]) | {"tk-T1": times_of(900)}
    latency = replace(inputs.latency, milliseconds={**inputs.latency.milliseconds, "rerank": rerank})
    assert told in with_budgets(replace(inputs, latency=latency), milliseconds=1000.0)
    assert told not in with_budgets(replace(inputs, latency=latency), bytes_per_passage=1e6)


def test_what_nobody_measured_is_said(inputs: ReportInputs) -> None:
    Cost(150.0).keep(layout.MODELS / "dot-T1")
    page = write_report(inputs)
    assert next(cells(page, "sortable costs", "dot-T1"))[-1] == "2.5"
    assert next(cells(page, "sortable costs", "tk-T1"))[-1] == "not measured"
    assert next(cells(page, "sortable costs", "dot-T1"))[3] == "1.5 kB"
    assert next(cells(page, "sortable costs", "bm25"))[3] == "not measured"
    assert re.search(r'<td data-value=""><small>not measured', page), "the script puts it last"
    assert {one.ranker.role for one in costs(inputs)} == {"baseline", "teacher", "control", "taught"}


def test_a_teacher_that_was_imported_has_no_order_to_compare_with(
    tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = tiny_params.model_dump() | {"teachers": {}, "ensembles": {}}
    values["imports"] = {"T3": {"location": "scores.tsv", "checksum": None}}
    values["students"].pop("tk")
    values["matrix"] |= {"teachers": ["T3"], "controls_per_teacher": ["dot"]}
    monkeypatch.chdir(tmp_path)
    params = Params.model_validate(values)
    write_results(params, write_collection())
    page = unescape(write_report(ReportInputs.read(params)))
    assert "No teacher’s scores of the candidates are there to compare with." in page
    assert "Calibration of margins" not in page

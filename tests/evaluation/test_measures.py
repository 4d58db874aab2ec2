"""Measures against trec_eval's own figures, on the TREC Deep Learning runs."""

from pathlib import Path

import polars as pl
import pytest
import pytrec_eval
from tests.conftest import DATASETS

from distilrank.data.runs import ranked, read_trec, write_trec
from distilrank.evaluation.measures import means, measure
from distilrank.sections.measuring import MEASURES

DEEP_LEARNING = DATASETS / "msmarco-dl19-dl20"
# nDCG@10 with all grades, from the README of the test collections.
KNOWN = {
    ("BM25", "dl19"): 0.5058,
    ("BM25", "dl20"): 0.4796,
    ("D_BERT_KD_TASB", "dl19"): 0.7210,
    ("D_BERT_KD_TASB", "dl20"): 0.6854,
}


def table(rows: list[tuple[str, str, float]], value: str) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["query_id", "passage_id", value], orient="row")


needs_deep_learning = pytest.mark.skipif(
    not DEEP_LEARNING.is_dir(), reason=f"no test collection at {DEEP_LEARNING.name}"
)


def deep_learning(system: str, year: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    run = read_trec(DEEP_LEARNING / "runs" / f"{system}.{year}.trec")
    lines = (DEEP_LEARNING / "qrels_official" / f"qrels.{year}-passage.txt").read_text().splitlines()
    judged = [(fields[0], fields[2], int(fields[3])) for fields in map(str.split, lines)]
    return run, table(judged, "relevance")


@needs_deep_learning
@pytest.mark.parametrize(("system", "year"), KNOWN)
def test_ndcg_is_the_published_figure(system: str, year: str) -> None:
    run, qrels = deep_learning(system, year)
    assert means(measure(run, qrels, minimum_relevance=2))["nDCG@10"] == pytest.approx(KNOWN[system, year], abs=5e-5)


@needs_deep_learning
@pytest.mark.parametrize(("system", "year"), KNOWN)
def test_every_measure_is_trec_evals(system: str, year: str) -> None:
    run, qrels = deep_learning(system, year)
    names = {"ndcg_cut.10", "recip_rank", "map", "recall.20,100,1000"}
    judged: dict[str, dict[str, int]] = {}
    for query_id, passage_id, relevance in qrels.iter_rows():
        judged.setdefault(query_id, {})[passage_id] = relevance
    scored: dict[str, dict[str, float]] = {}
    for query_id, passage_id, score in run.iter_rows():
        scored.setdefault(query_id, {})[passage_id] = score
    evaluator = pytrec_eval.RelevanceEvaluator(judged, names, relevance_level=2)
    expected = evaluator.evaluate(scored)
    values = {(query_id, name): value for query_id, name, value in measure(run, qrels, 2).iter_rows()}
    for query_id, figures in expected.items():
        assert values[query_id, "nDCG@10"] == pytest.approx(figures["ndcg_cut_10"])
        assert values[query_id, "MAP"] == pytest.approx(figures["map"])
        assert values[query_id, "Recall@20"] == pytest.approx(figures["recall_20"])
        assert values[query_id, "Recall@100"] == pytest.approx(figures["recall_100"])
        assert values[query_id, "Recall@1000"] == pytest.approx(figures["recall_1000"])
        first = figures["recip_rank"]
        assert values[query_id, "MRR@10"] == pytest.approx(first if first > 0.0999 else 0)


def test_a_ranker_that_ties_everything_gains_nothing_from_the_order_of_its_lines() -> None:
    qrels = table([("q", "a", 1)], "relevance")
    run = table([("q", passage_id, 0.0) for passage_id in "abcd"], "score")
    # Ties go by passage id, descending: a comes last.
    assert means(measure(run, qrels))["MRR@10"] == pytest.approx(1 / 4)
    assert ranked(run)["passage_id"].to_list() == ["d", "c", "b", "a"]


def test_a_query_without_results_counts_as_zero() -> None:
    qrels = table([("found", "a", 1), ("lost", "b", 1)], "relevance")
    run = table([("found", "a", 1.0)], "score")
    assert means(measure(run, qrels)) == dict.fromkeys(MEASURES, 0.5)


def test_a_relevant_passage_below_rank_10_does_not_count_for_mrr_at_10() -> None:
    qrels = table([("q", "wanted", 1)], "relevance")
    run = table([("q", f"p{number}", 20.0 - number) for number in range(10)] + [("q", "wanted", 1.0)], "score")
    assert means(measure(run, qrels))["MRR@10"] == 0


def test_what_counts_as_relevant_moves_all_measures_but_ndcg() -> None:
    qrels = table([("q", "a", 1), ("q", "b", 2), ("q", "c", 3)], "relevance")
    run = table([("q", "a", 3.0), ("q", "b", 2.0)], "score")
    lenient, strict = (means(measure(run, qrels, minimum)) for minimum in (1, 2))
    assert (lenient["MRR@10"], strict["MRR@10"]) == (1, 1 / 2)
    assert lenient["MAP"] == pytest.approx((1 / 1 + 2 / 2) / 3)
    assert strict["MAP"] == pytest.approx((1 / 2) / 2)
    assert (lenient["Recall@20"], strict["Recall@20"]) == (pytest.approx(2 / 3), 1 / 2)
    assert lenient["nDCG@10"] == strict["nDCG@10"]


def test_a_run_comes_back_from_its_trec_file_as_it_was(tmp_path: Path) -> None:
    run = table([("q1", "b", 0.1 + 0.2), ("q1", "a", -1e-7), ("q2", "c:d", 3.0)], "score")
    write_trec(run, tmp_path / "run.trec", "tag")
    assert (tmp_path / "run.trec").read_text().splitlines()[0] == "q1 Q0 b 1 0.30000000000000004 tag"
    assert read_trec(tmp_path / "run.trec").sort("query_id", "passage_id").equals(run.sort("query_id", "passage_id"))

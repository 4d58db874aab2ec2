"""Measures against trec_eval's own figures, on the TREC Deep Learning runs."""

from math import log2
from pathlib import Path

import polars as pl
import pytest
import pytrec_eval
from tests.conftest import DATASETS

from distilrank.data.given_runs import read_given_run
from distilrank.data.runs import as_given, as_listed, ranked, read_trec, write_trec
from distilrank.errors import CollectionError
from distilrank.evaluation.measures import means, measure
from distilrank.sections.base import FileElsewhere
from distilrank.sections.measures import standard

DEEP_LEARNING = DATASETS / "msmarco-dl19-dl20"
# nDCG@10 with all grades, from the README of the test collections.
KNOWN = {
    ("BM25", "dl19"): 0.5058,
    ("BM25", "dl20"): 0.4796,
    ("D_BERT_KD_TASB", "dl19"): 0.7210,
    ("D_BERT_KD_TASB", "dl20"): 0.6854,
    ("BM25_RM3", "dl19"): 0.5216,
    ("BM25_RM3", "dl20"): 0.4896,
    ("CONTRIEVER", "dl19"): 0.6202,
    ("CONTRIEVER", "dl20"): 0.6342,
    ("OPEN_AI_ADA2", "dl19"): 0.7035,
    ("OPEN_AI_ADA2", "dl20"): 0.6759,
    ("REP_LLAMA", "dl19"): 0.7439,
    ("REP_LLAMA", "dl20"): 0.7205,
    ("SPLADE_P_P_ENSEMBLE_DISTIL", "dl19"): 0.7308,
    ("SPLADE_P_P_ENSEMBLE_DISTIL", "dl20"): 0.7197,
}
# Its file has three digits of each score: trec_eval, which breaks ties by passage id, has other figures.
BY_ID = {("REP_LLAMA", "dl19"): 0.7384, ("REP_LLAMA", "dl20"): 0.7195}


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
    by_id, qrels = deep_learning(system, year)
    file = FileElsewhere(location=str(DEEP_LEARNING / "runs" / f"{system}.{year}.trec"), checksum=None)
    published = KNOWN[system, year]
    # As candidates it keeps the order of its lines; read as a run it is trec_eval's.
    assert _ndcg(as_listed(read_given_run(file)), qrels) == pytest.approx(published, abs=5e-5)
    assert _ndcg(by_id, qrels) == pytest.approx(BY_ID.get((system, year), published), abs=5e-5)


def _ndcg(run: pl.DataFrame, qrels: pl.DataFrame) -> float:
    return means(measure(run, qrels, minimum_relevance=2))["nDCG@10"]


@needs_deep_learning
@pytest.mark.parametrize(("system", "year"), [("BM25", "dl19"), ("REP_LLAMA", "dl20")])
def test_every_measure_is_trec_evals(system: str, year: str) -> None:
    run, qrels = deep_learning(system, year)
    names = {"ndcg_cut.10", "recip_rank", "map_cut.1000", "recall.20,1000", "P.10", "success.5", "Rprec", "bpref"}
    asked = {"AP@1000": "map_cut_1000", "R@20": "recall_20", "R@1000": "recall_1000", "P@10": "P_10"}
    asked |= {"nDCG@10": "ndcg_cut_10", "Success@5": "success_5", "Rprec": "Rprec", "Bpref": "bpref"}
    judged: dict[str, dict[str, int]] = {}
    for query_id, passage_id, relevance in qrels.iter_rows():
        judged.setdefault(query_id, {})[passage_id] = relevance
    scored: dict[str, dict[str, float]] = {}
    raw = read_given_run(FileElsewhere(location=str(DEEP_LEARNING / "runs" / f"{system}.{year}.trec"), checksum=None))
    for query_id, passage_id, score in raw.iter_rows():
        scored.setdefault(query_id, {})[passage_id] = score
    evaluator = pytrec_eval.RelevanceEvaluator(judged, names, relevance_level=2)
    expected = evaluator.evaluate(scored)
    measured = measure(run, qrels, 2, [*asked, "RR@10"])
    values = {(query_id, name): value for query_id, name, value in measured.iter_rows()}
    for query_id, figures in expected.items():
        for name, theirs in asked.items():
            assert values[query_id, name] == pytest.approx(figures[theirs]), name
        first = figures["recip_rank"]
        assert values[query_id, "RR@10"] == pytest.approx(first if first > 0.0999 else 0)


def test_a_given_run_that_ties_everything_is_measured_as_trec_eval_does() -> None:
    qrels = table([("q", "a", 1)], "relevance")
    run = as_given(table([("q", passage_id, 0.0) for passage_id in "abcd"], "score"))
    # Ties go by passage id, descending: a comes last.
    assert means(measure(run, qrels))["RR@10"] == pytest.approx(1 / 4)
    assert ranked(run)["passage_id"].to_list() == ["d", "c", "b", "a"]


def test_a_query_without_results_counts_as_zero() -> None:
    qrels = table([("found", "a", 1), ("lost", "b", 1)], "relevance")
    run = table([("found", "a", 1.0)], "score")
    names = ["nDCG@10", "RR@10", "AP", "P@1", "Success@5", "Judged@10"]
    assert means(measure(run, qrels, measures=names)) == dict.fromkeys(names, 0.5)


def test_a_relevant_passage_below_rank_10_does_not_count_for_mrr_at_10() -> None:
    qrels = table([("q", "wanted", 1)], "relevance")
    run = table([("q", f"p{number}", 20.0 - number) for number in range(10)] + [("q", "wanted", 1.0)], "score")
    assert means(measure(run, qrels))["RR@10"] == 0


def test_what_counts_as_relevant_moves_all_measures_but_ndcg() -> None:
    qrels = table([("q", "a", 1), ("q", "b", 2), ("q", "c", 3)], "relevance")
    run = table([("q", "a", 3.0), ("q", "b", 2.0)], "score")
    names = ["nDCG@10", "RR@10", "AP@1000", "R@20", "R(rel=1)@20"]
    lenient, strict = (means(measure(run, qrels, minimum, names)) for minimum in (1, 2))
    assert (lenient["RR@10"], strict["RR@10"]) == (1, 1 / 2)
    assert lenient["AP@1000"] == pytest.approx((1 / 1 + 2 / 2) / 3)
    assert strict["AP@1000"] == pytest.approx((1 / 2) / 2)
    assert (lenient["R@20"], strict["R@20"]) == (pytest.approx(2 / 3), 1 / 2)
    assert lenient["nDCG@10"] == strict["nDCG@10"]
    # It names what counts itself.
    assert lenient["R(rel=1)@20"] == strict["R(rel=1)@20"] == lenient["R@20"]


def test_exponential_gains_by_hand() -> None:
    qrels = table([("q", "a", 1), ("q", "b", 3), ("q", "c", 0)], "relevance")
    run = table([("q", "c", 3.0), ("q", "a", 2.0), ("q", "b", 1.0)], "score")
    # Gains of 1 and 7 at ranks 2 and 3; at best 7 and 1 at ranks 1 and 2.
    got, best = 1 / log2(3) + 7 / log2(4), 7 + 1 / log2(3)
    assert means(measure(run, qrels, measures=["nDCG(dcg='exp-log2')@10"])) == {
        "nDCG(dcg='exp-log2')@10": pytest.approx(got / best)
    }


def test_a_grade_beyond_exponential_gains_is_refused() -> None:
    qrels, run = table([("q", "a", 40)], "relevance"), table([("q", "a", 1.0)], "score")
    with pytest.raises(CollectionError, match="qrels: got the grade 40, expected at most 20 for an exponential gain"):
        measure(run, qrels, measures=["nDCG(dcg='exp-log2')@10"])
    assert means(measure(run, qrels, measures=["nDCG@10"])) == {"nDCG@10": 1}


def test_judged_is_the_share_with_a_qrel_by_rank() -> None:
    qrels = table([("q", "a", 0), ("q", "b", 1)], "relevance")
    # By trec_eval's rule b comes before a and aa, which share a score.
    run = as_given(table([("q", "aa", 1.0), ("q", "a", 1.0), ("q", "b", 1.0)], "score"))
    assert means(measure(run, qrels, measures=["Judged@2", "Judged@3"])) == {"Judged@2": 1 / 2, "Judged@3": 2 / 3}


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("MRR@10", "RR@10"),
        ("MAP", "AP"),
        ("Recall@100", "R@100"),
        ("NDCG @ 10", "nDCG@10"),
        ("nDCG(dcg='log2')@10", "nDCG@10"),
        ("P(judged_only=True,rel=2)@5", "P(judged_only=True,rel=2)@5"),
        ("AP(rel=1)@1000", "AP(rel=1)@1000"),
    ],
)
def test_a_measure_has_one_name(given: str, known: str) -> None:
    assert standard(given) == standard(known) == known


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Foo@10", "does not know"),
        ("nDCG@ten", "does not know"),
        ("R", "does not know"),
        ("nDCG@10; AP", "does not know"),
        ("nDCG@0", "below 1"),
        ("ERR@20", "trec_eval does not compute"),
        ("RBP(p=0.8)", "trec_eval does not compute"),
        ("alpha_nDCG@5", "trec_eval does not compute"),
        ("NumRelRet", "a count"),
    ],
)
def test_what_cannot_be_computed_is_refused(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        standard(name)


def test_a_run_comes_back_from_its_trec_file_as_it_was(tmp_path: Path) -> None:
    run = table([("q1", "b", 0.1 + 0.2), ("q1", "a", -1e-7), ("q2", "c:d", 3.0)], "score")
    write_trec(run, tmp_path / "run.trec", "tag")
    assert (tmp_path / "run.trec").read_text().splitlines()[0] == "q1 Q0 b 1 0.30000000000000004 tag"
    assert read_trec(tmp_path / "run.trec").sort("query_id", "passage_id").equals(run.sort("query_id", "passage_id"))

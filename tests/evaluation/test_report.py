"""The report, on small made-up results in the project's own files."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import t as student_t

from distilrank import layout
from distilrank.artifacts import write_json
from distilrank.data.collection import Collection
from distilrank.data.runs import write_trec
from distilrank.evaluation.measures import means, measure
from distilrank.evaluation.report import ReportInputs, write_report
from distilrank.evaluation.report.results import paired_p_value
from distilrank.params import Params

RANKERS = ["bm25", "T1", "dot", "dot-T1"]
HOSTILE = "<script>alert('passage')</script> & more"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_params: Params) -> Params:
    """What the stages before the report leave, for 12 test queries with 5 candidates each."""
    monkeypatch.chdir(tmp_path)
    passages = [(f"p{number:02}", "A service", HOSTILE) for number in range(60)]
    queries = [(f"q{number:02}", f"query number {number}", "test") for number in range(12)]
    queries += [("qtrain", "train on me", "train"), ("qdev", "validate on me", "dev")]
    qrels = [(query_id, f"p{5 * number:02}", 1, split) for number, (query_id, _, split) in enumerate(queries[:12])]
    qrels += [("qtrain", "p00", 1, "train"), ("qdev", "p00", 1, "dev")]
    collection = Collection.of(
        pl.DataFrame(passages, schema=["passage_id", "title", "text"], orient="row"),
        pl.DataFrame(queries, schema=["query_id", "text", "split"], orient="row"),
        pl.DataFrame(qrels, schema=["query_id", "passage_id", "relevance", "split"], orient="row"),
    )
    layout.COLLECTION.mkdir(parents=True)
    collection.write(layout.COLLECTION)
    layout.RUNS.mkdir(parents=True)
    random = np.random.default_rng(0)
    metrics: dict[str, dict[str, dict[str, float]]] = {"rerank": {}, "retrieve": {}}
    tables = []
    for ranker in RANKERS:
        rows = [(f"q{query:02}", f"p{5 * query + place:02}") for query in range(12) for place in range(5)]
        run = pl.DataFrame(rows, schema=["query_id", "passage_id"], orient="row")
        run = run.with_columns(score=pl.Series(random.normal(size=60)))
        values = measure(run, collection.qrels_of("test"))
        for task, by_ranker in metrics.items():
            write_trec(run, layout.RUNS / f"{ranker}.{task}.trec", ranker)
            by_ranker[ranker] = means(values)
            tables.append(values.select(pl.lit(ranker).alias("ranker"), pl.lit(task).alias("task"), pl.all()))
    pl.concat(tables).write_parquet(layout.RUNS / "measures.parquet")
    write_json(layout.METRICS, metrics)
    times = {ranker: {"median": 2.0**number, "p90": 3.0**number} for number, ranker in enumerate(RANKERS)}
    write_json(layout.LATENCY, {"machine": "a machine", "depth": 5, "queries": 12, "milliseconds": times})
    history = {"loss": [[2, 0.7], [4, 0.5]], "validation": [[2, 0.3], [4, 0.4]], "best_step": 4}
    for name in RANKERS[1:]:
        write_json(layout.MODELS / name / "history.json", history)
    return tiny_params


def test_every_ranker_measure_and_figure_is_on_the_page(results: Params) -> None:
    page = write_report(ReportInputs.read(results))
    metrics = json.loads(layout.METRICS.read_text())
    for values in metrics["rerank"].values():
        assert all(name in page and f"{value:.3f}" in page for name, value in values.items())
    assert all(f"</i>{ranker}" in page for ranker in RANKERS)


def test_the_examples_are_queries_with_what_rankers_put_on_top(results: Params) -> None:
    page = write_report(ReportInputs.read(results))
    assert len(re.findall(r"<h3>query number \d+</h3>", page)) == results.report.examples
    assert "relevant" in page


def test_text_is_shown_and_not_run(results: Params) -> None:
    page = write_report(ReportInputs.read(results))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_page_fetches_nothing(results: Params) -> None:
    page = write_report(ReportInputs.read(results))
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#)""", page)
    assert not re.search(r"url\((?!#)|@import", page)


def test_the_same_results_give_the_same_bytes(results: Params) -> None:
    assert write_report(ReportInputs.read(results)) == write_report(ReportInputs.read(results))


def test_the_p_value_is_that_of_a_paired_t_test() -> None:
    values, others = np.array([0.9, 0.4, 0.7, 0.8]), np.array([0.5, 0.5, 0.4, 0.6])
    differences = values - others
    statistic = differences.mean() / (differences.std(ddof=1) / np.sqrt(4))
    assert paired_p_value(values, others) == pytest.approx(2 * student_t.sf(abs(statistic), df=3))


def test_no_difference_at_all_is_no_evidence() -> None:
    assert paired_p_value(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 1

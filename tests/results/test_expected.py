"""A run's figures against those that are stated: grades, and the command that fails."""

import json
from pathlib import Path

import polars as pl
import pytest
from ruamel.yaml import YAML
from tests.conftest import ROOT, Command

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.layout import OWN
from distilrank.results.expected import faults, graded, not_graded
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
    [table] = graded([expected()], {"own": OWN}, {"rerank": {"dot": {"nDCG@10": 0.7 + side * apart}}})
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
    [table] = graded([expected("dl19")], {"own": OWN}, metrics)
    [row] = table.rows
    assert (row.grade, row.got, row.difference) == ("not measured", None, None)


def test_figures_of_another_collection_grade_nothing_and_say_so() -> None:
    metrics = {"rerank": {"dot": {"nDCG@10": 0.7}}}
    assert graded([expected()], {"another": OWN}, metrics) == []
    assert not_graded([expected()], ["another"]) == [
        "Not graded, for this collection is another: nDCG@10 of re-ranking: test on own (a paper, table 2)."
    ]
    assert not_graded([expected()], ["own", "other"]) == []


@pytest.mark.parametrize(
    ("task", "test_set"), [("own/rerank", "test"), ("own/dl19/rerank", "dl19")], ids=["one set", "several"]
)
def test_figures_of_a_collection_that_is_measured_on_besides_grade_its_own_tasks(task: str, test_set: str) -> None:
    others = {"own/dl20/rerank": {"dot": {"nDCG@10": 0.1}}} if test_set == "dl19" else {}
    metrics = {"rerank": {"dot": {"nDCG@10": 0.2}}, task: {"dot": {"nDCG@10": 0.7}}} | others
    [table] = graded([expected(test_set)], {"trained_on": OWN, "own": "own"}, metrics)
    assert table.rows[0].grade == "within seed noise"


@pytest.mark.parametrize("task", ["rerank", "retrieve"])
def test_a_fault_names_the_figure_and_how_far_off_it_is(task: str) -> None:
    tables = graded([expected()], {"own": OWN}, {task: {"dot": {"nDCG@10": 0.65}}})
    got = "got 0.650: -0.050, beyond 0.02" if task == "rerank" else "not measured"
    assert [*faults(tables)] == [f"nDCG@10 of re-ranking: test, dot: stated 0.700 (a paper, table 2), {got}"]


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that states two figures, of a ranker by two seeds and of one that is no longer trained."""
    params = YAML(typ="safe", pure=True).load(ROOT / "tests" / "params.tiny.yaml")
    stated = expected().model_dump() | {"collection": "aws-api-docs", "figures": {"dot": 0.7, "bm25": 0.5}}
    params["report"] = {"expected": [stated]}
    (tmp_path / "params.yaml").write_text(json.dumps(params))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measure(values: dict[str, float]) -> None:
    """A run of each ranker, and the measures of all."""
    runs = [layout.runs_of(ranker) for ranker in values]
    for run in runs:
        with whole_directory(run, "distilrank evaluate", {}, []) as draft:
            (draft.path / "rerank.trec").write_text("a run")
    with whole_directory(layout.MEASURES.parent, "distilrank metrics", {}, runs) as draft:
        table = pl.DataFrame({"ranker": list(values), "value": list(values.values())}).with_columns(
            task=pl.lit("rerank"), query_id=pl.lit("q"), measure=pl.lit("nDCG@10")
        )
        table.write_parquet(draft.path / layout.MEASURES.name)


@pytest.mark.parametrize(
    ("dot", "code", "out"),
    [
        (0.71, 0, "2 figures are as stated\n"),
        (
            0.61,
            1,
            "nDCG@10 of re-ranking: test, dot: stated 0.700 (a paper, table 2), got 0.660: -0.040, beyond 0.02\n",
        ),
    ],
)
def test_the_check_fails_by_the_mean_over_seeds(
    dot: float, code: int, out: str, measured: Path, run_here: Command
) -> None:
    measure({"dot": dot, "dot~2": 0.71, "bm25": 0.5})
    done = run_here(measured, "distilrank", "check-results")
    assert (done.returncode, done.stdout) == (code, out)


def test_the_check_refuses_figures_of_another_run_and_tells_those_that_it_leaves_out(
    measured: Path, run_here: Command
) -> None:
    params = json.loads((measured / "params.yaml").read_text())
    params["report"]["expected"].append(expected().model_dump())
    (measured / "params.yaml").write_text(json.dumps(params))
    measure({"dot": 0.7, "bm25": 0.5})
    done = run_here(measured, "distilrank", "check-results")
    left_out = "Not graded, for this collection is aws-api-docs: nDCG@10 of re-ranking: test on own (a paper, table 2)."
    assert done.stdout == f"{left_out}\n2 figures are as stated\n"
    with whole_directory(layout.runs_of("dot"), "distilrank evaluate", {}, []) as draft:
        (draft.path / "rerank.trec").write_text("another run")
    done = run_here(measured, "distilrank", "check-results")
    assert done.returncode == 2
    assert (
        "dot: got the figures of another evaluation/runs/collection/dot, expected those of what is here" in done.stderr
    )


def test_the_check_refuses_to_pass_where_nothing_is_stated(measured: Path, run_here: Command) -> None:
    params = json.loads((measured / "params.yaml").read_text())
    params["report"]["expected"][0]["collection"] = "another"
    (measured / "params.yaml").write_text(json.dumps(params))
    measure({"dot": 0.7, "bm25": 0.5})
    done = run_here(measured, "distilrank", "check-results")
    assert done.returncode == 2
    assert "report.expected: got no figures for the collection aws-api-docs" in done.stderr

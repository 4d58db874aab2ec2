"""Two sides compared, in figures worked out by hand, from real DVC repositories and folders."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.conftest import Command

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.errors import InputError
from distilrank.results.comparison import Side, Wanted, compare
from distilrank.results.statistics import statistics

pytestmark = pytest.mark.slow(20)

MEASURE = "nDCG@10"
COLUMNS = ["ranker", "task", "query_id", "measure", "value"]
# Of five queries: dot gains .1 in each, T1 loses .2 and gains as much, bm25 stays.
BEFORE = {"bm25": [0.5, 0.5, 0.5, 0.5, 0.5], "dot": [0.1, 0.2, 0.3, 0.4, 0.5], "T1": [0.9, 0.7, 0.5, 0.5, 0.5]}
AFTER = {"bm25": [0.5, 0.5, 0.5, 0.5, 0.5], "dot": [0.2, 0.3, 0.4, 0.5, 0.6], "T1": [0.7, 0.9, 0.5, 0.5, 0.5]}


def measures(values: dict[str, list[float]], task: str = "rerank") -> pl.DataFrame:
    rows = [
        (ranker, task, f"q{number}", MEASURE, value)
        for ranker, column in values.items()
        for number, value in enumerate(column)
    ]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def sides(before: pl.DataFrame, after: pl.DataFrame) -> tuple[Side, Side]:
    return Side("before", before), Side("after", after)


def test_means_differences_and_p_are_those_of_the_table() -> None:
    (task,) = compare(*sides(measures(BEFORE), measures(AFTER)), Wanted(MEASURE)).tasks
    bm25, dot, teacher = task.rows
    assert (bm25.first, bm25.second, bm25.difference.difference, bm25.difference.p_value) == (0.5, 0.5, 0, 1)
    assert (dot.first, dot.second, dot.difference.difference) == pytest.approx((0.3, 0.4, 0.1))
    assert (dot.difference.low, dot.difference.high) == pytest.approx((0.1, 0.1))
    # Of the 32 ways to exchange five equal differences two are as large: p is 1/16, of three tests the smallest.
    assert (dot.difference.t_test, dot.difference.p_value) == (0, pytest.approx(3 / 16))
    assert (teacher.difference.difference, teacher.difference.p_value) == (pytest.approx(0), 1)
    assert teacher.queries["query_id"].to_list()[:2] == ["q0", "q1"]
    assert teacher.queries["difference"].to_list()[:2] == pytest.approx([-0.2, 0.2])


def test_a_place_compares_as_the_tests_of_its_report_do(tiny_params: Params) -> None:
    """Of many queries, whose exchanges are drawn: by the same draws, whatever order the queries stand in."""
    random = np.random.default_rng(0)
    values = {name: random.random(200).tolist() for name in ("dot", "dot-T1")}
    table = measures(values)
    (reported,) = (row for row in statistics(tiny_params, table) if row.role == "control")
    side = Side("here", table.sample(fraction=1, shuffle=True, seed=1))
    (task,) = compare(side, side, Wanted(MEASURE, ranker="dot-T1", against="dot")).tasks
    assert task.rows[0].difference == reported.difference


def test_rankers_and_tasks_of_one_side_are_told_and_not_compared() -> None:
    before = pl.concat([measures(BEFORE), measures({"dot": [0.1] * 5}, "retrieve")])
    after = measures({"dot": AFTER["dot"], "tk": AFTER["dot"]})
    (task,) = compare(*sides(before, after), Wanted(MEASURE)).tasks
    assert [row.ranker for row in task.rows] == ["dot"]
    assert (task.only_first, task.only_second) == (["bm25", "T1"], ["tk"])
    assert task.rows[0].difference.p_value == pytest.approx(1 / 16)


def test_one_ranker_is_compared_with_another() -> None:
    here = sides(measures(BEFORE), measures(AFTER))
    (task,) = compare(*here, Wanted(MEASURE, ranker="dot", against="bm25")).tasks
    assert [(row.ranker, round(row.difference.difference, 6)) for row in task.rows] == [("dot against bm25", -0.1)]
    with pytest.raises(InputError, match=r"got bm25, dot, T1 in rerank.*--ranker and --against"):
        compare(*here, Wanted(MEASURE, ranker="tk"))


def test_sides_of_one_ranker_each_are_compared_whatever_their_names() -> None:
    here = sides(measures({"dot": BEFORE["dot"]}), measures({"dot-T1": AFTER["dot"]}))
    assert [row.ranker for row in compare(*here, Wanted(MEASURE)).tasks[0].rows] == ["dot-T1 against dot"]


def test_other_queries_are_refused_unless_shared_ones_will_do() -> None:
    fewer = measures({"dot": AFTER["dot"][:3]})
    here = sides(measures(BEFORE), fewer)
    with pytest.raises(InputError, match=r"5 and 3 queries in rerank, 3 shared.*--shared-queries"):
        compare(*here, Wanted(MEASURE))
    (task,) = compare(*here, Wanted(MEASURE, shared_queries=True)).tasks
    assert task.queries == (5, 3, 3)
    assert (task.rows[0].first, task.rows[0].second) == pytest.approx((0.2, 0.3))
    others = fewer.with_columns(pl.lit("other").alias("query_id"))
    with pytest.raises(InputError, match="0 shared, expected queries that both have"):
        compare(*sides(measures(BEFORE), others.head(1)), Wanted(MEASURE, shared_queries=True))


def test_a_measure_that_a_side_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(InputError, match=r"before: got no P@5, expected one of \['nDCG@10'\]"):
        compare(*sides(measures(BEFORE), measures(AFTER)), Wanted("P@5"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits of a project, whose measures DVC keeps; those of the second stand there."""
    project = tmp_path_factory.mktemp("repository")
    place = project / layout.MEASURES
    output = place.parent.relative_to(project)
    place.parent.mkdir(parents=True)
    stage = f"stages:\n  evaluate:\n    cmd: a command\n    outs: [{output}]\n"
    (project / "dvc.yaml").write_text(stage)
    run(project, "git", "init", "--quiet")
    run(project, "dvc", "init", "--quiet")
    for name, values in {"before": BEFORE, "after": AFTER}.items():
        place.unlink(missing_ok=True)
        measures(values).write_parquet(place)
        run(project, "dvc", "commit", "--force", "--quiet")
        run(project, "git", "add", "--all")
        run(project, "git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "--message", name)
        run(project, "git", "tag", name)
    for collection, text in {layout.OWN: "how | many", "scifact": "a claim"}.items():
        folder = project / layout.places_of(collection).collection
        folder.mkdir(parents=True)
        queries = {"query_id": [f"q{number}" for number in range(5)], "text": [f"{text} {n}" for n in range(5)]}
        for name in ("passages", "queries", "qrels"):
            pl.DataFrame(queries | {"split": ["test"] * 5}).write_parquet(folder / f"{name}.parquet")
    return project


def run(project: Path, *words: str) -> None:
    program = str(Path(sys.executable).with_name(words[0])) if words[0] == "dvc" else words[0]
    subprocess.run([program, *words[1:]], cwd=project, check=True, capture_output=True)


def test_a_revision_is_compared_with_what_is_here(repository: Path, run_here: Command) -> None:
    done = run_here(repository, "distilrank", "compare", "before", "--markdown", "--measure", "NDCG@10")
    assert done.returncode == 0, done.stderr
    assert "| ranker | A: before | B: . | B − A | 95 % | p |" in done.stdout
    assert "| dot | 0.3000 | 0.4000 | +0.1000 | +0.1000 to +0.1000 | 0.188 |" in done.stdout
    assert "| bm25 | 0.5000 | 0.5000 | +0.0000 | +0.0000 to +0.0000 | 1.000 |" in done.stdout


def test_two_revisions_query_by_query_with_their_texts(repository: Path, run_here: Command) -> None:
    done = run_here(repository, "distilrank", "compare", "before", "after", "--by-query", "--markdown")
    assert r"| q0 | how \| many 0 | 0.9000 | 0.7000 | −0.2000 |" in done.stdout
    assert "Higher in B: 1 queries; lower: 1; alike: 3." in done.stdout
    assert "### bm25" not in done.stdout


def test_two_rankers_of_one_revision(repository: Path, run_here: Command) -> None:
    done = run_here(repository, "distilrank", "compare", "after", "--ranker", "T1", "--against", "dot")
    assert re.search(r"T1 against dot +│ +0\.4000 │ +0\.6200 │ +\+0\.2200", done.stdout), done.stdout


def test_a_folder_with_the_table_is_a_side(repository: Path, run_here: Command, tmp_path: Path) -> None:
    measures(BEFORE).write_parquet(tmp_path / layout.MEASURES.name)
    by_folder = run_here(repository, "distilrank", "compare", str(tmp_path), "after", "--markdown").stdout
    by_revision = run_here(repository, "distilrank", "compare", "before", "after", "--markdown").stdout
    assert by_folder.replace(str(tmp_path), "before") == by_revision


def test_queries_of_another_collection_have_its_texts(repository: Path, run_here: Command, tmp_path: Path) -> None:
    for name, values in {"before": BEFORE, "after": AFTER}.items():
        (tmp_path / name).mkdir()
        measures(values, "scifact/rerank").write_parquet(tmp_path / name / layout.MEASURES.name)
    places = [str(tmp_path / name) for name in ("before", "after")]
    done = run_here(repository, "distilrank", "compare", *places, "--by-query", "--markdown")
    assert "| q1 | a claim 1 | 0.7000 | 0.9000 | +0.2000 |" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "'nonsense' .*expected a revision of git, a directory with measures"),
        (["after", "--against", "dot"], "--against without --ranker"),
        (["after", "--measure", "nDCG@x"], "--measure nDCG@x .*such as nDCG@10"),
        (["before", "data"], "data: got no measures, expected .*`dvc repro`"),
    ],
)
def test_mistakes_are_told_in_one_line(repository: Path, run_here: Command, words: list[str], said: str) -> None:
    done = run_here(repository, "distilrank", "compare", *words)
    assert done.returncode == 2
    assert re.search(said, done.stderr), done.stderr
    assert done.stderr.count("\n") == 1


def test_measures_that_the_cache_lacks_are_to_be_fetched(repository: Path, run_here: Command, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run(repository, "git", "clone", "--quiet", str(repository), str(clone))
    done = run_here(clone, "distilrank", "compare", "before", "after")
    assert done.returncode == 2
    assert "got nothing" in done.stderr and f"dvc fetch --all-commits {layout.MEASURES}" in done.stderr
    shutil.copytree(repository / ".dvc/cache", clone / ".dvc/cache")
    assert run_here(clone, "distilrank", "compare", "before", "after").returncode == 0

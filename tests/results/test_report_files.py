"""What the stage `report` writes beside its page: in brief, as LaTeX, figures as files, and what `dvc plots` draws."""

import json
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.conftest import Command
from tests.results.test_report import write_collection, write_results
from tests.test_pipeline import clone

from distilrank.artifacts import layout
from distilrank.config.params_file import read_params
from distilrank.results.report import ReportInputs
from distilrank.results.report.colours import plain
from distilrank.results.report.latex import latex_tables
from distilrank.stages.report import report

pytestmark = pytest.mark.slow(25)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with its report, not to be changed; DVC has committed it at HEAD."""
    project = clone(tmp_path_factory.mktemp("reported"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(project)
        params = read_params()
        write_results(params, write_collection())
        report(params)
    dvc = str(Path(sys.executable).with_name("dvc"))
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (
        [dvc, "commit", "--force", "--quiet", "report"], ["git", "add", "--all"],
        ["git", *identity, "commit", "--quiet", "--message", "a report"],
    ):  # fmt: skip
        subprocess.run(words, cwd=project, check=True, capture_output=True)
    return project


@pytest.fixture
def inputs(reported: Path, monkeypatch: pytest.MonkeyPatch) -> ReportInputs:
    monkeypatch.chdir(reported)
    return ReportInputs.read(read_params())


def test_the_summary_has_the_first_sentence_and_every_figure(reported: Path) -> None:
    summary = (reported / layout.SUMMARY).read_text()
    page = (reported / layout.REPORT).read_text()
    lead = re.search(r'<p class="lead">(.*?)</p>', page, re.DOTALL)
    assert lead
    sentence = " ".join(unescape(re.sub("<[^>]*>", "", lead[1])).split())
    assert f"\n\n{sentence}\n\n" in summary
    metrics = json.loads((reported / layout.METRICS).read_text())
    for task, by_ranker in metrics.items():
        for ranker in by_ranker:
            assert f"\n| {ranker} | " in summary, task
    dot = metrics["rerank"]["dot-T1"]["nDCG@10"]
    assert re.search(rf"\| dot-T1 \| \**{dot:.3f}\**", summary)
    difference = f"{dot - metrics['rerank']['dot']['nDCG@10']:+.3f}".replace("-", "−")
    assert f"| dot-T1 against dot | nDCG@10 | {difference}" in summary


def test_latex_is_a_table_per_task_with_names_escaped_and_the_best_in_bold(
    reported: Path, inputs: ReportInputs, run_here: Command
) -> None:
    text = latex_tables(inputs)
    assert run_here(reported, "distilrank", "report", "--latex").stdout == text + "\n"
    assert text.count(r"\begin{tabular}") == text.count(r"\bottomrule") == len(inputs.metrics)
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    columns = {len(line.split("&")) for line in rows}
    assert len(columns) == 1
    best = max(inputs.metrics["rerank"], key=lambda name: inputs.metrics["rerank"][name]["nDCG@10"])
    value = inputs.metrics["rerank"][best]["nDCG@10"]
    first_of = [line for line in rows if line.startswith(f"{best} & ")]
    assert rf"\textbf{{{value:.3f}}}" in first_of[0].split("&")[1]
    for line in text.splitlines()[1:]:
        assert not re.search(r"(?<!\\)[_%#]", line.replace(r"\label", "")), line


def test_figures_are_whole_svg_and_png_that_need_no_style(reported: Path) -> None:
    folder = reported / layout.FIGURES
    names = {file.stem for file in folder.glob("*.svg")}
    assert {"training-of-t1", "training-of-dot-t1", "training-of-tk-t1"} <= names
    assert any(name.startswith("ndcg-10-of-re-ranking") for name in names)
    assert {file.stem for file in folder.glob("*.png")} == names
    for name in names:
        svg = (folder / f"{name}.svg").read_text()
        assert ElementTree.fromstring(svg).tag.endswith("}svg")
        assert "var(" not in svg and "color-mix" not in svg and "<text" in svg
        png = (folder / f"{name}.png").read_bytes()
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = (int.from_bytes(png[place : place + 4], "big") for place in (16, 20))
        size = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
        assert size and (width, height) == (2 * float(size[1]), 2 * float(size[2]))


def test_the_same_results_give_the_same_files(reported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(reported, tmp_path / "again", ignore=shutil.ignore_patterns("report", ".git"))
    monkeypatch.chdir(tmp_path / "again")
    report(read_params())
    for file in (reported / "report").rglob("*.*"):
        assert (tmp_path / "again" / file.relative_to(reported)).read_bytes() == file.read_bytes(), file


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ("var(--ink)", "#1d2126"),
        ("#000", "#000000"),
        # As Chromium computes them.
        ("color-mix(in oklab, #ffffff 50%, #000000)", "#636363"),
        ("color-mix(in oklab, #ff0000 50%, #0000ff)", "#8c53a2"),
        ("color-mix(in oklab, var(--ink) 100%, #ffffff)", "#1d2126"),
    ],
)
def test_colours_of_css_become_numbers(colour: str, expected: str) -> None:
    assert plain(colour, {"ink": "#1d2126"}) == expected


def test_dvc_shows_a_row_per_ranker_on_a_terminal_of_120_columns(reported: Path, command: Command) -> None:
    shown = command(reported, "dvc", "metrics", "show").stdout.splitlines()
    metrics, took = (json.loads((reported / place).read_text()) for place in (layout.METRICS, layout.LATENCY))
    assert len(shown) == 1 + sum(map(len, metrics.values()))
    assert max(map(len, shown)) <= 120
    header, *rows = (line.split() for line in shown)
    [row] = [dict(zip(header, row, strict=True)) for row in rows if row[0].endswith("/rerank/dot-T1.json")]
    assert float(row["nDCG@10"]) == pytest.approx(metrics["rerank"]["dot-T1"]["nDCG@10"], abs=1e-4)
    served = took["milliseconds"]["rerank"]["dot-T1"]["single"]["median"]
    assert float(row["ms"]) == pytest.approx(served, abs=0.1)


def test_dvc_draws_curves_and_results_by_ranker_and_revision(reported: Path, command: Command) -> None:
    done = command(reported, "dvc", "plots", "diff", "HEAD", "--json")
    drawn = json.loads(done.stdout)
    assert "errors" not in drawn, drawn.get("errors")
    (loss,), (results,) = drawn["data"]["loss"], drawn["data"]["results"]
    points = loss["content"]["data"]["values"]
    assert {point["rev"] for point in points} == {"HEAD", "workspace"}
    history = json.loads((reported / "models/dot-T1/history.json").read_text())["loss"]
    of_model = [(one["step"], one["loss"]) for one in points if (one["ranker"], one["rev"]) == ("dot-T1", "HEAD")]
    assert of_model == [tuple(point) for point in history]
    metrics = json.loads((reported / layout.METRICS).read_text())
    values = {(one["task"], one["ranker"]): one["value"] for one in results["content"]["data"]["values"]}
    assert values["rerank", "dot-T1"] == metrics["rerank"]["dot-T1"]["nDCG@10"]
    encoding = loss["content"]["encoding"]
    assert (encoding["x"]["field"], encoding["y"]["field"]) == ("step", "loss")

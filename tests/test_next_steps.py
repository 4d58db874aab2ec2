"""What a command tells a user to do next, on standard error."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT, Command
from tests.rankers.tiny import save_tiny_ranker
from tests.searchable import write_ranker, write_vectors

from distilrank.config.params import Params


def told(stderr: str) -> str:
    """The next step, with which a command ends; fails if it told none."""
    before, mark, step = ("\n" + stderr).rpartition("\nnext: ")
    assert mark, before
    return step


def run_lines(stderr: str) -> Any:
    """The value of the last line of Python below the sentence, once those before it have run."""
    *before, last = re.findall("^    (.*)$", stderr, re.MULTILINE)
    names: dict[str, Any] = {}
    exec("\n".join(before), names)
    return eval(last, names)


def test_a_new_project_is_led_from_its_params_to_its_data(tmp_path: Path, run_here: Command) -> None:
    steps = []
    for words in ("", "init --preset rounds", "lock", "check"):
        done = run_here(tmp_path, "distilrank", *words.split())
        assert done.returncode == 0
        steps.append(re.findall("`(.*?)`", told(done.stderr)))
        assert "next" not in done.stdout
    assert steps == [
        ["distilrank init", "distilrank --help"],
        ["distilrank lock", "distilrank check"],
        ["distilrank check"],
        ["dvc repro collect tokenize", "distilrank collection"],
    ]


def test_the_look_at_the_data_leads_to_the_pipeline(project: Path, run_here: Command) -> None:
    assert told(run_here(project, "distilrank", "collection").stderr).startswith("`dvc repro` ")


def test_the_first_stage_leads_to_the_look_at_the_data_and_a_stage_amid_the_pipeline_tells_nothing(
    tmp_path: Path, run_here: Command
) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "tests" / "params.tiny.yaml").read_text())
    first = run_here(tmp_path, "distilrank", "collect")
    assert re.findall("`(.*?)`", told(first.stderr)) == ["dvc repro tokenize", "distilrank collection"]
    amid = run_here(tmp_path, "distilrank", "candidates")
    assert (first.returncode, amid.returncode) == (0, 0)
    assert "next:" not in amid.stderr


@pytest.mark.parametrize(
    ("architecture", "shape"), [("dot", (32,)), ("cat", (1,))], ids=["a SentenceTransformer", "a CrossEncoder"]
)
def test_the_lines_below_an_export_use_it(
    tmp_path: Path, run_here: Command, monkeypatch: pytest.MonkeyPatch, architecture: str, shape: tuple[int, ...]
) -> None:
    save_tiny_ranker(tmp_path / "model", architecture)
    done = run_here(tmp_path, "distilrank", "export-model", "model", "exported")
    monkeypatch.chdir(tmp_path)
    assert run_lines(told(done.stderr)).shape == shape


def test_a_changed_index_leads_to_its_search(
    project: Path, run_here: Command, tiny_params: Params, backbone: Path
) -> None:
    write_ranker("dot-T1", {"architecture": "dot", "layers": 1, "pooling": "mean"}, backbone, tiny_params.tokens)
    write_vectors("dot-T1")
    hits = run_here(project, "distilrank", "search", "a query", "--depth", "1").stdout
    gone = re.search(r"│ 1 +│ (\S+)", hits)
    assert gone
    Path("gone.txt").write_text(f"{gone[1]}\n")
    done = run_here(project, "distilrank", "update", "dot-T1", "changed", "--delete", "gone.txt")
    assert done.returncode == 0, done.stderr
    search, serve = re.findall("`(.*?)`", told(done.stderr))
    found = run_here(project, *shlex.split(search))
    assert found.returncode == 0 and "(changed)" in found.stdout and gone[1] not in found.stdout
    assert serve == "distilrank serve-search --index changed"


def test_a_run_that_was_written_is_told_as_candidates(
    project: Path, run_here: Command, tiny_params: Params, backbone: Path
) -> None:
    write_ranker("dot-T1", {"architecture": "dot", "layers": 1, "pooling": "mean"}, backbone, tiny_params.tokens)
    write_vectors("dot-T1")
    done = run_here(project, "distilrank", "retrieve", "dot-T1", "dense.trec", "--split", "dev")
    assert told(done.stderr) == "name dense.trec in candidates.runs of params.yaml, then run `distilrank lock`\n"

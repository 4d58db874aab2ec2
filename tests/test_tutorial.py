"""The tutorial and README, read as scripts: their commands run in their order, on a few pages of this documentation."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from ruamel.yaml import YAML
from tests.conftest import ROOT
from tests.servers import PLAIN, free_port, server
from tests.test_docs import BLOCK
from tests.test_pipeline import CLONED

pytestmark = pytest.mark.slow(380)

README, TUTORIAL = ROOT / "README.md", ROOT / "docs" / "tutorial.md"
NOTES = ["method.md", "pipeline.md", "promoting.md", "search.md", "glossary.md"]
# The environment is there already, and nobody looks at the report.
NOT_RUN = ("make setup", "source ", "xdg-open ")
PORT = 5002


def commands(page: Path) -> Iterator[str]:
    """The commands of the page's console blocks, without their comments."""
    for _, kind, block in BLOCK.findall(page.read_text("utf-8")):
        if kind == "console":
            lines = block.replace("\\\n", "").splitlines()
            yield from (re.sub(r"\s+#\s.*$", "", line.strip().removeprefix("$ ")) for line in lines)


def make_small(params: Path) -> None:
    """Makes a project's trainings and measurements as short as they can be, and lets any model be champion."""
    yaml = YAML(typ="safe", pure=True)
    values = yaml.load(params)
    values["triples"]["bm25"]["count"] = 32
    del values["students"]["colbert"]
    values["systems"] = {"hybrid": {"fuse": ["bm25", "dot-T1"], "by": "rrf", "depth": 10}}
    for student in values["students"].values():
        student["ranker"]["layers"] = 1
        student["training"] |= {"steps": 2, "batch_size": 4, "validate_every": 2}
    values["students"]["dot"]["start"]["layers"] = [1]
    values["validation"]["queries"] = 5
    values["evaluation"] |= {"depth": 10, "untrained": []}
    values["latency"] = {"queries": 2, "clients": 1, "depths": [10], "seconds": 0.05}
    for floors in values["promotion"]["floors"].values():
        floors["primary"] = [0.0]
    yaml.dump(values, params)


class Read(NamedTuple):
    """What each command of the tutorial printed, where, and with which variables."""

    printed: dict[str, str]
    project: Path
    variables: dict[str, str]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Read:
    home, project, port = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("clone"), free_port()
    clone(project)
    (home / "notes").mkdir()
    for name in NOTES:
        shutil.copyfile(ROOT / "docs" / name, home / "notes" / name)
    variables = environment | {
        "HOME": str(home), "PYTHONPATH": os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")]),
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b.c", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b.c",
    }  # fmt: skip
    printed: dict[str, str] = {}
    serving = ""
    for line in (shown.replace(str(PORT), str(port)) for shown in commands(TUTORIAL)):
        if line.startswith(NOT_RUN):
            continue
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            variables[name] = value
        elif line.startswith("mlflow models serve"):
            serving = line
        elif serving:
            with server(serving.split(), f"http://127.0.0.1:{port}/ping", variables, project / "serving.log"):
                printed[line] = ran(line, project, variables)
        else:
            printed[line] = ran(line, project, variables)
        if line.startswith("distilrank init"):
            make_small(project / "params.yaml")
    return Read(printed, project, variables)


def clone(directory: Path) -> None:
    for name in [*CLONED, "params.yaml", "graph.yaml"]:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, directory / name)
    shutil.copytree(ROOT / "presets", directory / "presets")
    subprocess.run(["git", "init", "--quiet"], cwd=directory, check=True)


def ran(line: str, project: Path, variables: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", line], cwd=project, env=variables, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_the_tutorial_leads_from_texts_to_a_served_student(read: Read) -> None:
    answer = next(text for line, text in read.printed.items() if line.startswith("curl "))
    # curl's progress follows on standard error.
    [found] = json.JSONDecoder().raw_decode(answer[answer.index("{") :])[0]["predictions"]
    scores = [hit["score"] for hit in found["hits"]]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    assert all(hit["passage_id"].partition("#")[0] in NOTES for hit in found["hits"])


def test_each_step_of_the_tutorial_prints_what_it_is_for(read: Read) -> None:
    told = read.printed
    assert "passages" in told["distilrank collection"] and "95 % within" in told["distilrank collection"]
    assert "dot-T1" in told["distilrank results"]
    assert "notes.dot-T1" in told["distilrank register"]
    assert "champion" in told["distilrank promote dot-T1"]
    # After `dvc repro`, the flow has nothing left to build.
    assert "UpToDate" in told["python -m flows.distil"] and "Built(" not in told["python -m flows.distil"]


def test_the_readmes_commands_run_after_a_demo(read: Read) -> None:
    shown = [line for line in commands(README) if line.startswith("distilrank ")]
    assert [line for line in shown if line.startswith(("distilrank init", "distilrank serve-search"))] == [
        "distilrank serve-search", "distilrank init --preset corpus --passages collections/texts",
    ]  # fmt: skip
    for line in shown:
        if line == "distilrank serve-search":
            port = free_port()
            words, page = [*line.split(), "--port", str(port)], f"http://127.0.0.1:{port}/systems"
            with server(words, page, read.variables, read.project / "search.log"):
                assert "dot-T1" in PLAIN.get(page).text
        elif not line.startswith("distilrank init"):
            assert "dot-T1" in ran(line, read.project, read.variables)


def test_the_readmes_lines_of_python_find_passages(read: Read) -> None:
    [lines] = [block for _, kind, block in BLOCK.findall(README.read_text("utf-8")) if kind == "python"]
    script = lines.replace("model.search(", "hits = model.search(") + "print(len(hits), hits[0].passage_id)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=read.project, env=read.variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    number, passage = done.stdout.split()
    assert int(number) == 10 and passage

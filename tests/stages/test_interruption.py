"""`kill -9` in the middle of a stage, then the same command again: it goes on, and the result is the same."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from socket import gethostname
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tests.conftest import Command

pytestmark = pytest.mark.slow(200)

TEACH = ("distilrank", "teach", "T1")
SCORE = ("distilrank", "score", "T1", "bm25")
DISTIL = ("distilrank", "distil", "dot", "--teacher", "T1")


@pytest.fixture(scope="module")
def finished(prepared: Path, run_here: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which all three ran without interruption."""
    directory = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(prepared, directory)
    params = (directory / "params.yaml").read_text()
    # A part a pair, so that there is time to kill between parts.
    (directory / "params.yaml").write_text(params.replace("pairs_per_part: 32", "pairs_per_part: 1"))
    for words in (TEACH, SCORE, DISTIL):
        done = run_here(directory, *words)
        assert done.returncode == 0, done.stderr
        assert "going on" not in done.stdout
    return directory


@pytest.fixture
def unfinished(finished: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of that project that lacks one output."""

    def without(output: str) -> Path:
        directory = tmp_path / "project"
        shutil.copytree(finished, directory)
        shutil.rmtree(directory / output)
        return directory

    return without


def end_when(
    ready: Callable[[], bool], directory: Path, environment: dict[str, str], words: tuple[str, ...],
    end: signal.Signals = signal.SIGKILL, code: int = -signal.SIGKILL,
) -> None:  # fmt: skip
    process = subprocess.Popen(words, cwd=directory, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline, "it did not come that far"
        time.sleep(0.005)
    os.killpg(process.pid, end)
    assert process.wait() == code


def history_of(model: Path) -> dict[str, Any]:
    history: dict[str, Any] = json.loads((model / "history.json").read_text())
    return history


@pytest.mark.parametrize(("words", "model", "step"), [(DISTIL, "dot-T1", 3), (TEACH, "T1", 6)])
def test_training_goes_on_from_its_last_checkpoint(
    words: tuple[str, ...], model: str, step: int, finished: Path, unfinished: Callable[[str], Path],
    environment: dict[str, str], run_here: Command,
) -> None:  # fmt: skip
    project = unfinished(f"models/{model}")
    work = project / ".work" / f"train-{model}"
    end_when(lambda: any(work.glob(f"*/checkpoint-{step}/whole")), project, environment, words)
    assert not (project / "models" / model).exists()
    resumed = run_here(project, *words)
    assert resumed.returncode == 0, resumed.stderr
    if step < 6:
        assert re.search(r"training steps: going on from 3 of 6", resumed.stdout)
    else:
        assert "training steps" not in resumed.stdout
    is_as_if_uninterrupted(project, finished, model)


def is_as_if_uninterrupted(project: Path, finished: Path, model: str) -> None:
    expected, got = (load_file(place / "models" / model / "model.safetensors") for place in (finished, project))
    assert expected.keys() == got.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(got[name], weight, atol=1e-6, rtol=1e-5)
    expected_history, got_history = (history_of(place / "models" / model) for place in (finished, project))
    assert got_history["best_step"] == expected_history["best_step"]
    assert got_history["validation"].keys() == expected_history["validation"].keys()
    for curve in ("loss", "selection", "grad_norm", "padding"):
        np.testing.assert_allclose(got_history[curve], expected_history[curve], atol=1e-5)
    assert got_history["margins"].keys() == expected_history["margins"].keys()
    for whose, margins in expected_history["margins"].items():
        np.testing.assert_allclose(got_history["margins"][whose], margins, atol=1e-5)
    assert list((project / ".work" / f"train-{model}").iterdir()) == []


def test_after_ctrl_c_one_line_says_how_to_go_on(
    unfinished: Callable[[str], Path], environment: dict[str, str], run_here: Command
) -> None:
    project = unfinished("models/T1")
    process = started(project, environment, TEACH)
    wait_until(lambda: any(project.glob(".work/train-T1/*/checkpoint-3/whole")), process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    told = re.fullmatch(r"distilrank: interrupted; the same command goes on from the checkpoint of step (3)\n", said)
    assert told, said
    resumed = run_here(project, *TEACH)
    assert resumed.returncode == 0, resumed.stderr
    assert f"training steps: going on from {told[1]} of 6" in resumed.stdout


def started(directory: Path, environment: dict[str, str], words: tuple[str, ...]) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=directory, env=environment, stdout=pipe, stderr=pipe, text=True)


def wait_until(ready: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, "it ended before that"
        assert time.monotonic() < deadline, "it did not come that far"
        time.sleep(0.005)


def test_a_second_training_of_one_model_is_refused_while_the_first_lives(
    finished: Path, unfinished: Callable[[str], Path], plain_environment: dict[str, str], run_here: Command
) -> None:
    """And once that one is killed, the next goes on from its last checkpoint."""
    project = unfinished("models/T1")
    work = project / ".work" / "train-T1"
    # Not a fork, so that the process that is stopped is the one that trains.
    first = started(project, plain_environment, TEACH)
    wait_until(lambda: any(work.glob("*/checkpoint-3/whole")), first)
    first.send_signal(signal.SIGSTOP)
    try:
        before = sorted(work.rglob("*"))
        second = run_here(project, *TEACH)
        assert (second.returncode, second.stdout) == (2, ""), second.stderr
        assert second.stderr == (
            f"distilrank: models/T1: got a training of this model that still runs (process {first.pid} on "
            f"{gethostname()}: distilrank teach T1), expected one training at a time; wait until it ends, or end that "
            "process; the next one resumes its work\n"
        )
        assert sorted(work.rglob("*")) == before
        # Another model is another matter.
        assert run_here(project, "distilrank", "teach", "T1b").returncode == 0
    finally:
        first.kill()
        first.communicate()
    assert not (project / "models" / "T1").exists()
    # Its lock died with it.
    third = run_here(project, *TEACH)
    assert third.returncode == 0, third.stderr
    assert re.search(r"training steps: going on from 3 of 6", third.stdout)
    is_as_if_uninterrupted(project, finished, "T1")


def parts(project: Path) -> list[Path]:
    return sorted((project / ".store").rglob("*.parquet"))


@pytest.mark.parametrize(("end", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_scoring_goes_on_after_the_last_finished_part(
    end: signal.Signals, code: int,
    finished: Path, unfinished: Callable[[str], Path], environment: dict[str, str], run_here: Command,
) -> None:  # fmt: skip
    project = unfinished("scores/bm25/T1")
    shutil.rmtree(project / ".store")
    end_when(lambda: len(parts(project)) >= 3, project, environment, SCORE, end, code)
    assert not (project / "scores/bm25/T1").exists()
    done = parts(project)
    assert 3 <= len(done) < len(parts(finished))
    resumed = run_here(project, *SCORE)
    assert resumed.returncode == 0, resumed.stderr
    assert f"pairs scored by T1: going on from {len(done)} of" in resumed.stdout
    assert set(parts(project)) > set(done)
    expected, got = (pl.read_parquet(place / "scores/bm25/T1/part-*.parquet") for place in (finished, project))
    assert got.equals(expected)


def test_what_the_store_holds_is_not_scored_again(unfinished: Callable[[str], Path], run_here: Command) -> None:
    project = unfinished("scores/bm25/T1")
    manifest = next((project / ".store").rglob("manifest.json"))
    before = {part: part.stat().st_mtime_ns for part in parts(project)}, json.loads(manifest.read_text())
    again = run_here(project, *SCORE)
    assert again.returncode == 0, again.stderr
    assert ({part: part.stat().st_mtime_ns for part in parts(project)}, json.loads(manifest.read_text())) == before

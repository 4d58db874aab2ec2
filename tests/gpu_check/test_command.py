"""The GPU check as a command: its self-test on a processor, and what it says where there is no card."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from distilrank.gpu_check.command import GROUPS

pytestmark = pytest.mark.slow(60)

COMMAND = Path(sys.executable).with_name("distilrank-gpu-check")
# With two at once, the threads of shapes this small would wait for one another.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def run(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments], cwd=directory, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def test_the_self_test_passes_on_a_processor_and_writes_its_results(tmp_path: Path) -> None:
    done = run("--device", "cpu", directory=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((tmp_path / "gpu-check" / "gpu-check.json").read_text())
    assert {outcome["group"] for outcome in written["outcomes"]} == {
        "agreement", "training", "scoring", "search", "speed", "peer", "choices",
    }  # fmt: skip
    assert {outcome["verdict"] for outcome in written["outcomes"]} == {"passed", "not checked"}
    not_checked = {outcome["detail"] for outcome in written["outcomes"] if outcome["verdict"] == "not checked"}
    assert not_checked == {"it is for cards", "flash-attn is not installed"}
    assert written["machine"]["versions"]["torch"] == torch.__version__
    rates = {(rate["task"], rate["by"]) for rate in written["rates"]}
    for task in ("scoring", "encoding", "training cat", "training dot"):
        assert {(task, "DistilRank"), (task, "sentence-transformers")} <= rates
    assert all(rate["per_second"] > 0 for rate in written["rates"])
    page = (tmp_path / "gpu-check" / "gpu-check.md").read_text()
    assert "0 failed" in page
    for outcome in written["outcomes"]:
        assert outcome["name"] in page
    assert "Rates" in done.stdout
    assert "Ways to compute" in done.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_without_a_card_it_says_so_in_one_line(tmp_path: Path) -> None:
    done = run(directory=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "distilrank-gpu-check: --device cuda: got no card that torch reaches, expected a card, its driver, and a torch "
        "built for CUDA; run it where there is one, or test the program itself with --device cpu"
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_check_that_fails_shows_in_the_exit_code(tmp_path: Path) -> None:
    done = run("--device", "cpu", "--only", "nearest", "--minutes", "0", directory=tmp_path)
    assert done.returncode == 1
    assert "failed      torch finds the nearest" in done.stdout
    assert "no time was left for it" in done.stdout


def test_help_names_the_groups_without_loading_torch() -> None:
    code = "import sys; from distilrank.gpu_check import command; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    told = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    for group in GROUPS:
        assert group in told

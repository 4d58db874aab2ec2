"""A training in two processes, by DISTILRANK_LAUNCHER: it is killed, interrupted, refused, and exact all the same."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file
from tests.stages.test_interruption import wait_until

from distilrank.artifacts import layout
from distilrank.artifacts.locks import alone_with
from distilrank.cli.launch import card_of, launch
from distilrank.errors import WorkerError

pytestmark = pytest.mark.slow(80)

TEACH = ("distilrank", "teach", "T1")


@pytest.fixture
def by_two(plain_environment: dict[str, str]) -> dict[str, str]:
    # As in a flow with a launcher, no command is a fork.
    return plain_environment | {"DISTILRANK_LAUNCHER": "torchrun --nproc-per-node=2", "OMP_NUM_THREADS": "1"}


def test_whatever_interrupts_it_the_model_is_the_same(project: Path, by_two: dict[str, str]) -> None:
    longer("steps: 6, batch_size: 4, learning_rate: 1e-4, warmup_share: 0.2, validate_every: 3", 24)
    whole = project.with_name("whole")
    shutil.copytree(project, whole)
    done = subprocess.run(TEACH, cwd=whole, env=by_two, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr

    killed = started(by_two)
    wait_until(lambda: any(project.glob(".work/train-T1/*/checkpoint-*/whole")), killed)
    begun = psutil.Process(killed.pid).children(recursive=True)
    assert len(begun) >= 3  # torchrun and two processes
    killed.kill()
    killed.communicate()
    _, alive = psutil.wait_procs(begun, timeout=30)
    assert alive == [], "they outlive the command"

    interrupted = started(by_two)
    first = newest_step(project)
    wait_until(lambda: newest_step(project) > first, interrupted)
    interrupted.send_signal(signal.SIGINT)
    said, complained = interrupted.communicate(timeout=120)
    assert f"training steps: going on from {first} of 24" in said
    told = re.fullmatch(
        r"distilrank: interrupted; the same command goes on from the checkpoint of step (\d+)\n", complained
    )
    assert (interrupted.returncode, bool(told)) == (130, True), complained

    rest = subprocess.run(TEACH, cwd=project, env=by_two, capture_output=True, text=True, check=False)
    assert (rest.returncode, rest.stderr) == (0, "")
    model, other = (load_file(place / "models" / "T1" / "model.safetensors") for place in (whole, project))
    assert all((other[name] == weight).all() for name, weight in model.items())
    histories = [(place / "models" / "T1" / "history.json").read_text() for place in (whole, project)]
    assert histories[0] == histories[1]


def test_a_user_s_mistake_is_told_once(project: Path, by_two: dict[str, str]) -> None:
    with alone_with(layout.MODELS / "T1"):
        refused = subprocess.run(TEACH, cwd=project, env=by_two, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert re.fullmatch(r"distilrank: models/T1: got a training of this model that still runs \(.*\n", refused.stderr)


def test_a_process_that_fails_alone_is_told_of(project: Path, environment: dict[str, str]) -> None:
    """The other waits for it, and is ended."""
    launcher = project / "launcher.py"
    launcher.write_text(
        "import os, subprocess, sys\n"
        "place = os.environ | {'WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': '29517'}\n"
        "given = [{'RANK': str(rank), 'LOCAL_RANK': str(rank)} for rank in (0, 1)]\n"
        "given[1] |= {'DISTILRANK_DEVICE': 'cuda', 'CUDA_VISIBLE_DEVICES': ''}\n"
        "begun = [subprocess.Popen([sys.executable, *sys.argv[1:]], env=place | one) for one in given]\n"
        "sys.exit(max(one.wait() for one in begun))\n"
    )
    by_two = environment | {"DISTILRANK_LAUNCHER": f"python {launcher}"}
    failed = subprocess.run(TEACH, cwd=project, env=by_two, capture_output=True, text=True, check=False, timeout=120)
    assert (failed.returncode, failed.stdout, failed.stderr) == (
        2,
        "",
        "distilrank: DISTILRANK_DEVICE: got 'cuda', expected cpu, or cuda where torch reaches a card; set it to cpu, "
        "or unset it\n",
    )


@pytest.mark.parametrize(
    ("visible", "cards"),
    [
        (None, ["0", "1"]),
        ("2, 3", ["2", "3"]),
        ("0", ["0", ""]),
        ("", ["", ""]),
        ("GPU-5d,GPU-7f", ["GPU-5d", "GPU-7f"]),
    ],
)
def test_each_process_has_a_card_of_its_own(visible: str | None, cards: list[str]) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert [card_of(number, environment) for number in (0, 1)] == [{"CUDA_VISIBLE_DEVICES": card} for card in cards]
    assert card_of(1, environment | {"DISTILRANK_DEVICE": "cpu"}) == {}


def test_a_launcher_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILRANK_LAUNCHER", "no-such-launcher -n 2")
    with pytest.raises(WorkerError) as refused:
        launch()
    assert str(refused.value) == (
        "DISTILRANK_LAUNCHER: got 'no-such-launcher', which is not found, expected a command that begins "
        "`-m distilrank` several times, such as torchrun --nproc-per-node=2; correct it, or unset it"
    )


def longer(training: str, steps: int) -> None:
    params = Path("params.yaml")
    text = params.read_text()
    assert training in text
    params.write_text(text.replace(training, training.replace("steps: 6", f"steps: {steps}"), 1))


def newest_step(project: Path) -> int:
    steps = (path.parent.name.partition("-")[2] for path in project.glob(".work/train-T1/*/checkpoint-*/whole"))
    return max(map(int, steps), default=0)


def started(environment: dict[str, str]) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen(TEACH, env=environment, stdout=pipe, stderr=pipe, text=True)

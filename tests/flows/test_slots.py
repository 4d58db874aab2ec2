"""Which stages run at once, on which cards, with how many threads."""

import os
from pathlib import Path

import pytest
from flows.slots import Slots, usable_cards

KINDS = {"teach": "training", "distil": "training", "score": "scoring", "index": "inference"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four cores, and nothing of the user's that says how to share them."""
    for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "DISTILRANK_DEVICE", "DISTILRANK_STAGES_AT_ONCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))


def threads(given: dict[str, dict[str, str]]) -> dict[str, str]:
    return {stage: of["OMP_NUM_THREADS"] for stage, of in given.items()}


def cards(given: dict[str, dict[str, str]]) -> dict[str, str | None]:
    return {stage: of.get("CUDA_VISIBLE_DEVICES") for stage, of in given.items()}


def test_without_cards_what_runs_shares_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILRANK_STAGES_AT_ONCE", "2")
    slots = Slots(KINDS, [])
    assert str(slots) == "2 stages at once, on 4 cores, 2 threads per training"
    assert threads(slots.start(["index@a"])) == {"index@a": "4"}
    assert threads(slots.start(["index@b", "index@c"])) == {"index@b": "2"}
    slots.end("index@a")
    slots.end("index@b")
    # Alone or not: the sums of a training depend on the number of its threads.
    assert threads(slots.start(["teach@T1"])) == {"teach@T1": "2"}


def test_a_users_number_of_threads_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert Slots(KINDS, []).start(["teach@T1", "index@a"]) == {"teach@T1": {}, "index@a": {}}


def test_a_scoring_takes_a_card_per_worker_and_what_a_cluster_computes_takes_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISTILRANK_WORKERS", "2")
    slots = Slots(KINDS, ["0", "1", "2"])
    given = slots.start(["score@bm25-T1", "index@a", "teach@T1", "quality"])
    assert cards(given) == {"score@bm25-T1": "0,1", "index@a": "2", "quality": None}
    monkeypatch.setenv("DISTILRANK_RAY_ADDRESS", "auto")
    assert cards(Slots(KINDS, ["0"]).start(["score@bm25-T1", "teach@T1"])) == {"score@bm25-T1": None, "teach@T1": None}


def test_a_training_of_several_processes_takes_all_cards_and_is_not_overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILRANK_LAUNCHER", "torchrun --nproc-per-node=2")
    slots = Slots(KINDS, ["0", "1"])
    assert cards(slots.start(["index@a"])) == {"index@a": "0"}
    assert cards(slots.start(["distil@dot", "index@b", "quality"])) == {"quality": None}
    slots.end("index@a")
    assert cards(slots.start(["distil@dot", "index@b"])) == {"distil@dot": "0,1"}


def test_without_cards_a_training_of_several_processes_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILRANK_LAUNCHER", "torchrun --nproc-per-node=2")
    slots = Slots(KINDS, [])
    assert slots.start(["distil@dot", "index@a"]) == {"distil@dot": {}}
    slots.end("distil@dot")
    assert list(slots.start(["index@a", "distil@dot", "index@b"])) == ["index@a"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"CUDA_VISIBLE_DEVICES": "2, GPU-5d3a"}, ["2", "GPU-5d3a"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, []),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "DISTILRANK_DEVICE": "cpu"}, []),
    ],
)
def test_the_environment_names_the_cards(
    given: dict[str, str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert usable_cards() == expected


def test_the_driver_lists_the_cards_where_nobody_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = ["GPU 0: NVIDIA H200 (UUID: GPU-4c)", "  MIG 1g.18gb Device 0: (UUID: MIG-1)", "GPU 1: H200 (UUID: GPU-9)"]
    tool = tmp_path / "nvidia-smi"
    tool.write_text("\n".join(["#!/bin/sh", "cat <<'END'", *cards, "END"]))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert usable_cards() == ["0", "1"]

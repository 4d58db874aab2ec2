"""Which stages run at once, and what each one gets: cards (GPUs) of its own, and a share of the cores.

A stage that computes says so in its `meta` in dvc.yaml, as `computes: training`, `scoring` or `inference`. If there are
cards, it has one to itself while it runs. A scoring has one per worker, and a training in several processes has all.
Stages that wait for cards take turns, while others go on.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Self

from distilrank.workers.cores import THREADS, stages_at_once, threads_of_a_training, usable_cores
from distilrank.workers.work import Workplace
from flows.graph import base, marked

CARDS = "CUDA_VISIBLE_DEVICES"
# The variable that names the command which starts a training in several processes, such as torchrun.
LAUNCHER = "DISTILRANK_LAUNCHER"


def usable_cards() -> list[str]:
    """The cards that stages may compute on: those of CUDA_VISIBLE_DEVICES if it is set, else all of the driver's."""
    if os.environ.get("DISTILRANK_DEVICE") == "cpu":
        return []
    if (named := os.environ.get(CARDS)) is not None:
        return [card.strip() for card in named.split(",") if card.strip() not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False).stdout
    # The parts of a card (MIG) are listed below it, indented.
    cards = [line for line in listed.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(cards))]


class Slots:
    """The stages that run, and the cards that are free."""

    def __init__(self, computes: Mapping[str, str], cards: Sequence[str]) -> None:
        """`computes` says what each stage computes, if it does. Raises WorkerError for a limit that is not a number."""
        self._computes, self._cards, self._free = computes, cards, list(cards)
        self._at_once, self._cores = stages_at_once(len(cards)), usable_cores()
        # On cards, the bytes that a training writes do not depend on its number of threads.
        self._training_threads = max(1, self._cores // self._at_once) if cards else threads_of_a_training()
        self._workers = Workplace.chosen()
        self._running: dict[str, list[str]] = {}

    @classmethod
    def here(cls) -> Self:
        """The slots of this machine, for the stages of dvc.yaml."""
        return cls(marked("computes"), usable_cards())

    def __str__(self) -> str:
        stages = f"{_count(self._at_once, 'stage')} at once, on {_count(self._cores, 'core')}"
        if launcher := os.environ.get(LAUNCHER):
            cards = f", on {_count(len(self._cards), 'card')}: {', '.join(self._cards)}" if self._cards else ""
            return f"{stages}; a training has all to itself, by {launcher}{cards}"
        if self._cards:
            at_once = min(self._at_once, len(self._cards))
            return f"{stages}; {at_once} may compute, on {_count(len(self._cards), 'card')}: {', '.join(self._cards)}"
        return f"{stages}, {_count(self._training_threads, 'thread')} per training"

    @property
    def only_cores_compute(self) -> bool:
        """Whether some stage computes, and none of them on a card or by a launcher."""
        return bool(self._computes) and not self._cards and not os.environ.get(LAUNCHER)

    def start(self, ready: Sequence[str]) -> dict[str, dict[str, str]]:
        """Marks the stages that may start now as running, and returns the environment of each."""
        started, cards_are_waited_for = [], False
        for stage in ready:
            cards, places = self._cards_for(stage), self._places_for(stage)
            if sum(map(self._places_for, self._running)) + places > self._at_once:
                break
            if cards and (cards_are_waited_for or cards > len(self._free)):
                # Later stages must not take the free cards: a stage that needs several would never start.
                cards_are_waited_for = True
                continue
            self._running[stage], self._free = self._free[:cards], self._free[cards:]
            started.append(stage)
        return {stage: self._environment(stage) for stage in started}

    def end(self, stage: str) -> None:
        self._free = sorted([*self._free, *self._running.pop(stage)], key=self._cards.index)

    def are_free(self) -> bool:
        return not self._running

    def _environment(self, stage: str) -> dict[str, str]:
        cards = self._running[stage]
        given = {CARDS: ",".join(cards)} if cards else {}
        # A launcher and Ray divide the cores themselves.
        if THREADS in os.environ or self._is_launched(stage) or self._is_on_ray(stage):
            return given
        return given | {THREADS: str(self._threads_for(stage))}

    def _threads_for(self, stage: str) -> int:
        """The threads of each of a stage's processes."""
        if self._kind(stage) == "training":
            return self._training_threads
        processes = (self._workers.count or 1) if self._kind(stage) == "scoring" else 1
        return max(1, self._cores // len(self._running) // processes)

    def _cards_for(self, stage: str) -> int:
        every = len(self._cards)
        if self._is_on_ray(stage):
            # A local cluster takes this machine's cards; a cluster elsewhere takes none of them.
            return every if self._workers.ray_address == "local" else 0
        if self._is_launched(stage):
            return every
        if self._kind(stage) == "scoring":
            return min(self._workers.count or 1, every)
        return min(1, every) if self._kind(stage) else 0

    def _places_for(self, stage: str) -> int:
        """How many stages a stage counts for. Without cards, a training in several processes takes all cores."""
        alone = self._is_launched(stage) and not self._is_on_ray(stage) and not self._cards
        return self._at_once if alone else 1

    def _is_launched(self, stage: str) -> bool:
        return self._kind(stage) == "training" and bool(os.environ.get(LAUNCHER))

    def _is_on_ray(self, stage: str) -> bool:
        return self._kind(stage) in ("training", "scoring") and bool(self._workers.ray_address)

    def _kind(self, stage: str) -> str | None:
        return self._computes.get(base(stage))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

"""Checkpoints in a training's work directory: which counts, and which are kept."""

import shutil
from pathlib import Path

_WHOLE = "whole"


def of_step(work: Path, step: int | None) -> Path:
    """The checkpoint of a step."""
    return work / f"checkpoint-{step}"


def keep(work: Path, newest: int, best: int | None) -> None:
    """Marks the newest checkpoint as whole, since all of its files are written. Then removes others, their mark
    first."""
    (of_step(work, newest) / _WHOLE).touch()
    for checkpoint in work.glob("checkpoint-*"):
        if step_of(checkpoint) not in (newest, best):
            (checkpoint / _WHOLE).unlink(missing_ok=True)
            shutil.rmtree(checkpoint)


def last_whole(work: Path) -> Path | None:
    """The newest checkpoint whose writing was finished. Removes the remains of others."""
    for checkpoint in work.glob("checkpoint-*"):
        if not (checkpoint / _WHOLE).exists():
            shutil.rmtree(checkpoint)
    return newest(work)


def newest(work: Path) -> Path | None:
    """The newest checkpoint."""
    return max(work.glob("checkpoint-*"), key=step_of, default=None)


def how_to_go_on(work: Path) -> str:
    checkpoint = last_whole(work)
    if checkpoint is None:
        return "the same command begins anew: it had no checkpoint yet"
    return f"the same command goes on from the checkpoint of step {step_of(checkpoint)}"


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])

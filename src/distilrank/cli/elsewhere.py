"""Trains on a Ray cluster if DISTILRANK_RAY_ADDRESS names one."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import typer

Given = ParamSpec("Given")


def on_ray_where_told(train: Callable[Given, None]) -> Callable[Given, None]:
    """A command that trains here, or that runs itself on a node of the cluster and ends with its exit code."""

    @wraps(train)
    def here_or_there(*words: Given.args, **options: Given.kwargs) -> None:
        from distilrank.workers.command_on_ray import run_on_ray
        from distilrank.workers.work import Workplace

        place = Workplace.chosen()
        if not place.ray_address:
            return train(*words, **options)
        raise typer.Exit(run_on_ray(["-m", "distilrank", *sys.argv[1:]], place, _checkpoints))

    return here_or_there


def _checkpoints() -> set[Path]:
    """The checkpoints of all trainings in this working tree.

    Another training's new checkpoint counts as progress of this one. At worst that costs one more attempt.
    """
    from distilrank.artifacts.work import WORK

    return set(WORK.glob("train-*/*/checkpoint-*"))

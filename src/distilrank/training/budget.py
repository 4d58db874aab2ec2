"""Times some steps on this machine, to tell how many fit into a training's budget of time. These steps are
discarded."""

import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from distilrank.rankers.device import chosen_device
from distilrank.rankers.precision import float32_products
from distilrank.training.order import order_of
from distilrank.training.processes import Processes
from distilrank.training.trainer import RankerTrainer, TrainingTask, training_arguments

# Steps that are not timed, since a process's first steps are slow, and steps that are timed.
_WARM_UP, _TIMED = 3, 9


def steps_within_budget(task: TrainingTask, work: Path, among: Processes) -> int:
    """The most steps that fit the budget together with their validations: a multiple of `validate_every`, at least
    one."""
    assert task.params.budget is not None, "the params have no budget"
    seconds = task.params.budget.minutes * 60
    step, validation = _measured(task, work, among)
    steps = steps_in(seconds, step, validation, task.params.validate_every)
    if among.first:
        told = f"{step:.3g} s each and {validation:.3g} s a validation"
        print(f"budget of {seconds / 60:g} minutes: {steps:,} steps, at {told}", flush=True)
    return steps


def steps_in(seconds: float, step: float, validation: float, validate_every: int) -> int:
    """The steps in so many seconds. `step` and `validation` are the seconds of one step and of one validation."""
    return validate_every * max(1, int(seconds / (validate_every * step + validation)))


class _Clock(TrainerCallback):
    def __init__(self) -> None:
        self._ends: list[float] = []

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._ends.append(time.perf_counter())

    def seconds(self) -> float:
        """The median time of a step after the warm-up."""
        ends = self._ends[_WARM_UP - 1 :]
        return median(end - begun for begun, end in pairwise(ends))


def _measured(task: TrainingTask, work: Path, among: Processes) -> tuple[float, float]:
    """The seconds of a step and of a validation, with a ranker that begins as the training's."""
    steps = _WARM_UP + _TIMED
    # A schedule that depends on validations would do nothing here, so the learning rate is constant.
    changed = {"steps": steps, "validate_every": steps, "budget": None, "schedule": "constant", "warmup_share": 0.0}
    params, device, clock = task.params.model_copy(update=changed), chosen_device(), _Clock()
    set_seed(params.seed)
    with TemporaryDirectory() as place, float32_products(params.precision, device):
        arguments = training_arguments(params, Path(place), device)
        arguments.eval_strategy, arguments.save_strategy = IntervalStrategy.NO, SaveStrategy.NO
        trainer = RankerTrainer(replace(task, params=params), arguments, among, order_of(task, work))
        trainer.add_callback(clock)
        trainer.train()
        trainer.ranker.train(False)
        began = time.perf_counter()
        task.validate(trainer.ranker, among)
        return clock.seconds(), time.perf_counter() - began

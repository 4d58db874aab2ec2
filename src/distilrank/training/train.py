"""Runs a training from its start, or from its last checkpoint, and gives the ranker at its best validation."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from transformers import EarlyStoppingCallback, TrainerState, set_seed
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import SaveStrategy

from distilrank.errors import WorkerError
from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.progress import progress
from distilrank.rankers.base import Ranker
from distilrank.rankers.device import chosen_device
from distilrank.rankers.loading import load_ranker
from distilrank.rankers.precision import float32_products
from distilrank.training.checkpoints import how_to_go_on, last_whole, newest, of_step, step_of
from distilrank.training.chosen import choices, with_choices
from distilrank.training.figures import GRADIENT_NORM, MARGINS, PADDING
from distilrank.training.history import History
from distilrank.training.lora import merged
from distilrank.training.order import find_topics, order_of
from distilrank.training.processes import ALONE, Processes
from distilrank.training.trainer import (
    EVAL,
    Observer,
    RankerTrainer,
    TrainingTask,
    Watch,
    selection,
    training_arguments,
    validated,
)


def train(task: TrainingTask, work: Path, observe: Observer, among: Processes = ALONE) -> tuple[Ranker, History]:
    """Trains what the task begins, and returns the ranker at its best validation with the training's history.

    Continues from the last whole checkpoint in `work`, exactly as if it had not been interrupted. Ctrl-C is answered
    with a line that says so. Where several processes train, this is the first of them.
    """
    checkpoint = last_whole(work)
    state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME)) if checkpoint else None
    if state is None or not _has_ended(state):
        find_topics(task, work)
        among.tell(str(work))
        if among.count > 1:
            print(f"training in {among.count} processes", flush=True)
        try:
            state = _train(with_choices(task, work, among), work, observe, checkpoint, among)
        except KeyboardInterrupt:
            print(f"distilrank: interrupted; {how_to_go_on(work)}", file=sys.stderr, flush=True)
            raise
    else:
        among.tell("")
    return _trained(task, of_step(work, state.best_global_step)), _history(state, task.measure, choices(work))


def _trained(task: TrainingTask, checkpoint: Path) -> Ranker:
    """The ranker of a checkpoint, with its adapters merged."""
    if task.params.lora is None:
        return load_ranker(checkpoint)
    # Begun as the training was, since weights that do not learn are in no checkpoint.
    set_seed(task.params.seed)
    return merged(task.begin(), task.params.lora, checkpoint)


def take_part(task: TrainingTask, among: Processes) -> None:
    """Trains beside the first process, and writes nothing. Returns at once if the first process has nothing to
    train."""
    if work := among.told():
        checkpoint = newest(Path(work))
        _train(with_choices(task, Path(work), among), Path(work), lambda *_: None, checkpoint, among)


def _train(
    task: TrainingTask, work: Path, observe: Observer, checkpoint: Path | None, among: Processes
) -> TrainerState:
    set_seed(task.params.seed)
    done = step_of(checkpoint) if checkpoint else 0
    device = chosen_device()
    precision = task.params.precision
    shown = progress("training steps", task.params.all_steps, done) if among.first else nullcontext(lambda _: None)
    with shown as advance, float32_products(precision, device):
        arguments = training_arguments(task.params, work, device)
        if not among.first:
            arguments.save_strategy = SaveStrategy.NO
        order = order_of(task, work)
        if order and among.first:
            print(order, flush=True)
        trainer = RankerTrainer(task, arguments, among, order)
        if task.first_phase and among.first:
            print(trainer.phases, flush=True)
        if task.params.patience is not None:
            trainer.add_callback(EarlyStoppingCallback(task.params.patience))
        trainer.add_callback(Watch(advance, observe))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    state: TrainerState = trainer.state
    return state


def refuse_too_many(task: TrainingTask, among: Processes) -> None:
    """Raises WorkerError if a batch has fewer triples than there are processes."""
    params, triples = task.params, len(task.triples)
    last = triples % params.batch_size
    # A budget may hold any number of steps.
    is_reached = params.budget or params.all_steps * params.accumulate > triples // params.batch_size
    smallest = last if last and is_reached and not params.batches else params.batch_size
    if among.count > smallest:
        raise WorkerError(
            "DISTILRANK_LAUNCHER",
            got=f"{among.count} processes for batches of {params.batch_size} triples, the smallest with {smallest}",
            expected="at least one triple per process in each batch",
            remedy="start fewer processes, or change training.batch_size or the number of triples",
        )


def _has_ended(state: TrainerState) -> bool:
    """Whether the checkpoint was the training's last: all steps are done, or it stopped early."""
    callbacks: Any = state.stateful_callbacks
    return bool(callbacks["TrainerControl"]["args"]["should_training_stop"])


def _history(state: TrainerState, measure: str, chosen: dict[str, float]) -> History:
    def curve(key: str) -> list[tuple[int, float]]:
        return [(int(entry["step"]), float(entry[key])) for entry in state.log_history if key in entry]

    by_kind = {kind: curve(f"{EVAL}{validated(kind, measure)}") for kind in (RERANK, RETRIEVE)}
    margins = {whose: curve(name) for whose, name in MARGINS.items()}
    return History(
        curve("loss"),
        {kind: points for kind, points in by_kind.items() if points},
        curve(f"{EVAL}{selection(measure)}"),
        int(state.best_global_step or state.global_step),
        {whose: points for whose, points in margins.items() if points},
        curve(GRADIENT_NORM),
        curve(PADDING),
        chosen,
    )

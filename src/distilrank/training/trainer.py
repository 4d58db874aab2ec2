"""The training loop: Hugging Face's Trainer, with our losses, batches and validation."""

import math
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import SaveStrategy

from distilrank.errors import WorkerError
from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.losses import Loss
from distilrank.progress import Advance, progress
from distilrank.rankers.base import Ranker
from distilrank.rankers.device import chosen_device
from distilrank.rankers.loading import load_ranker
from distilrank.rankers.precision import float32_products
from distilrank.sections.training import Training
from distilrank.training.batches import Collator, TripleDataset
from distilrank.training.divergence import Divergence
from distilrank.training.figures import GRADIENT_NORM, MARGINS, NAMES, PADDING, VALIDATION_SHARE, Figures
from distilrank.training.history import History
from distilrank.training.in_batch import own_triples, positive_first
from distilrank.training.learning_rates import parameter_groups
from distilrank.training.lora import add_adapters, merged, weights_that_learn
from distilrank.training.processes import ALONE, Processes
from distilrank.training.step import Computed, Step

# Told of figures as they come: {"loss": ..., "padding": ...}, or a validation's: {"dev/nDCG@10": ..., ...}.
Observer = Callable[[int, Mapping[str, float]], None]
# What chooses the step that is kept: the mean of the validation's figures.
SELECTION = "dev/nDCG@10"
_EVAL = "eval_"  # how Trainer has a validation's figures begin
_WHOLE = "whole"
_CURVE_POINTS = 50
# What Trainer calls them.
_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


@dataclass(frozen=True)
class TrainingTask:
    """What is trained, from which triples, by which loss; `validate` gives a ranker's nDCG@10 by kind of task.

    Where several processes train, each of them validates its share.
    """

    begin: Callable[[], Ranker]
    params: Training
    loss: Loss
    triples: TripleDataset
    validate: Callable[[Ranker, Processes], Mapping[str, float]]


def train(task: TrainingTask, work: Path, observe: Observer, among: Processes = ALONE) -> tuple[Ranker, History]:
    """Trains what the task begins and returns the ranker at its best validation, with the training's history.

    Goes on from the last whole checkpoint in `work`, exactly as if it had not been interrupted. Ctrl-C is
    answered with a line that says so. Where several processes train, this is the first of them.
    """
    checkpoint = _last_whole_checkpoint(work)
    state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME)) if checkpoint else None
    if state is None or not _has_ended(state):
        among.tell(str(work))
        try:
            state = _train(task, work, observe, checkpoint, among)
        except KeyboardInterrupt:
            print(f"distilrank: interrupted; {_how_to_go_on(work)}", file=sys.stderr, flush=True)
            raise
    else:
        among.tell("")
    return _trained(task, work / f"checkpoint-{state.best_global_step}"), _history(state)


def _trained(task: TrainingTask, checkpoint: Path) -> Ranker:
    """The ranker of a checkpoint, without adapters."""
    if task.params.lora is None:
        return load_ranker(checkpoint)
    # As the training began, whose weights that do not learn are in no checkpoint.
    set_seed(task.params.seed)
    return merged(task.begin(), task.params.lora, checkpoint)


def take_part(task: TrainingTask, among: Processes) -> None:
    """Trains beside the first process, and writes nothing; returns at once where that has nothing to train."""
    if work := among.told():
        checkpoint = max(Path(work).glob("checkpoint-*"), key=_step_of, default=None)
        _train(task, Path(work), lambda *_: None, checkpoint, among)


def _train(
    task: TrainingTask, work: Path, observe: Observer, checkpoint: Path | None, among: Processes
) -> TrainerState:
    set_seed(task.params.seed)
    done = _step_of(checkpoint) if checkpoint else 0
    device = chosen_device()
    precision = task.params.precision
    shown = progress("training steps", task.params.steps, done) if among.first else nullcontext(lambda _: None)
    with shown as advance, float32_products(precision, device):
        arguments = training_arguments(task.params, work, device)
        if not among.first:
            arguments.save_strategy = SaveStrategy.NO
        trainer = RankerTrainer(task, arguments, among)
        if task.params.patience is not None:
            trainer.add_callback(EarlyStoppingCallback(task.params.patience))
        trainer.add_callback(_Watch(advance, observe))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    state: TrainerState = trainer.state
    return state


class RankerTrainer(Trainer):
    """Scores groups of passages, compares them by the task's loss, and validates as the task does."""

    def __init__(self, task: TrainingTask, arguments: TrainingArguments, among: Processes = ALONE) -> None:
        self.ranker, self.task, self._among = task.begin(), task, among
        if task.params.lora:
            add_adapters(self.ranker, task.params.lora)
        # Trainer wants a data set to validate on, though `evaluate` has the task's own.
        super().__init__(
            model=self.ranker,
            args=arguments,
            train_dataset=task.triples,
            eval_dataset=task.triples,
            data_collator=Collator(
                task.triples,
                _tokens_together(task.params, arguments.device),
                task.loss.in_batch,
                self.ranker.params.reads_pairs,
                among,
            ),
        )
        self.remove_callback(PrinterCallback)
        self._divergence, self._figures = Divergence(), Figures()
        self._how = Computed(arguments.device, task.params.precision, task.params.gradient_cache, among)
        self.add_callback(self._figures)
        if task.params.gradient_checkpointing:
            backbone: Any = self.ranker.get_submodule("backbone")
            backbone.activation_checkpointing_enable({"use_reentrant": False})

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Trainer's own choice of optimiser, with our groups."""
        kind, settings = self.get_optimizer_cls_and_kwargs(self.args, self.ranker)
        groups = parameter_groups(self.ranker, self.task.params)
        optimizer: torch.optim.Optimizer = kind(groups, **settings)
        self.optimizer = optimizer
        return optimizer

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        self.ranker.train()
        batch: dict[str, Any] = self._prepare_inputs(inputs)
        with self._among.own_dropout(self.args.seed, self.state.global_step, batch["numbers"][0]):
            step = Step(self.ranker, batch, self._how)
            loss = self._loss(step.scores, batch)
            self._divergence.check(loss.item(), self.state.global_step + 1, batch["numbers"])
            loss = loss / self.current_gradient_accumulation_steps
            self.accelerator.backward(loss)
            step.backward()
        if self.accelerator.sync_gradients:
            self._among.add_gradients(self.ranker)
        return loss.detach()

    def _loss(self, scores: Tensor, batch: dict[str, Any]) -> Tensor:
        own = scores
        if self.task.loss.in_batch:
            own = own_triples(scores)
            scores = positive_first(scores, batch["query_rows"], batch["passage_rows"])
        self._figures.add(batch, own)
        return self.task.loss(scores, batch.get("teacher"))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            logs |= self._figures.take()
        # Of a step in float16 that is passed over, since its gradients were too long for 16 bits.
        if not math.isfinite(logs.get(GRADIENT_NORM, 0.0)):
            del logs[GRADIENT_NORM]
        super().log(logs, start_time)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        # Weights that stay are those that the training begins with.
        super()._save(output_dir, weights_that_learn(self.ranker))

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        self.ranker.train(False)
        with self._figures.validating():
            by_kind = self.task.validate(self.ranker, self._among)
        figures = {SELECTION: fmean(by_kind.values()), **{_validated(kind): by_kind[kind] for kind in by_kind}}
        figures[VALIDATION_SHARE] = self._figures.validation_share()
        metrics = {f"{_EVAL}{name}": value for name, value in figures.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class _Watch(TrainerCallback):
    """Shows progress, reports figures, and keeps the newest checkpoint and the best.

    A checkpoint is marked whole once every file of its is written; only then do others go, their mark first.
    """

    def __init__(self, advance: Advance, observe: Observer) -> None:
        self._advance, self._observe = advance, observe

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._advance(1)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        logs = kwargs["logs"].items()
        figures = {
            key.removeprefix(_EVAL): value for key, value in logs if key in ("loss", *NAMES) or key.startswith(_EVAL)
        }
        if figures:
            self._observe(state.global_step, figures)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not args.should_save:
            return
        work = Path(str(args.output_dir))
        (work / f"checkpoint-{state.global_step}" / _WHOLE).touch()
        for checkpoint in work.glob("checkpoint-*"):
            if _step_of(checkpoint) not in (state.global_step, state.best_global_step):
                (checkpoint / _WHOLE).unlink(missing_ok=True)
                shutil.rmtree(checkpoint)


def _tokens_together(params: Training, device: torch.device) -> int:
    """The padded tokens that are encoded at once: on a CPU few, since padding costs more than small products do."""
    return params.tokens_together or (1_000 if device.type == "cpu" else 16_384)


def training_arguments(params: Training, work: Path, device: torch.device) -> TrainingArguments:
    """What Trainer calls the params."""
    # A divisor of the steps between checkpoints: a loss is then never the mean over an interruption.
    coarsest = max(1, params.steps // _CURVE_POINTS)
    logging_steps = next(steps for steps in range(coarsest, 0, -1) if params.validate_every % steps == 0)
    arguments = TrainingArguments(
        output_dir=str(work),
        max_steps=params.steps,
        per_device_train_batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        warmup_steps=round(params.warmup_share * params.steps),
        lr_scheduler_type=_SCHEDULES[params.schedule],
        gradient_accumulation_steps=params.accumulate,
        max_grad_norm=params.max_gradient_norm or 0.0,
        seed=params.seed,
        eval_strategy="steps",
        eval_steps=params.validate_every,
        save_strategy="steps",
        save_steps=params.validate_every,
        metric_for_best_model=SELECTION,
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        logging_steps=logging_steps,
        # A loss that is not a number must be seen, not replaced by the last one.
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        use_cpu=device.type == "cpu",
        bf16=params.precision == "bfloat16",
        fp16=params.precision == "float16",
        dataloader_pin_memory=device.type == "cuda",
        report_to="none",
        disable_tqdm=True,
        log_level="error",
    )
    if arguments.n_gpu > 1:
        # One card a process: Trainer would spread each batch over all, and so train on larger ones.
        arguments._n_gpu = 1
    return arguments


def refuse_too_many(task: TrainingTask, among: Processes) -> None:
    """Raises WorkerError where a batch has fewer triples than there are processes."""
    params, triples = task.params, len(task.triples)
    last = triples % params.batch_size
    is_reached = params.steps * params.accumulate > triples // params.batch_size
    smallest = last if last and is_reached else params.batch_size
    if among.count > smallest:
        raise WorkerError(
            "DISTILRANK_LAUNCHER",
            got=f"{among.count} processes for batches of {params.batch_size} triples, the smallest of {smallest}",
            expected="at least one triple per process in each batch",
            remedy="start fewer processes, or change training.batch_size or the number of triples",
        )


def _last_whole_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint whose writing was finished; the remains of others are removed."""
    for checkpoint in work.glob("checkpoint-*"):
        if not (checkpoint / _WHOLE).exists():
            shutil.rmtree(checkpoint)
    return max(work.glob("checkpoint-*"), key=_step_of, default=None)


def _how_to_go_on(work: Path) -> str:
    checkpoint = _last_whole_checkpoint(work)
    if checkpoint is None:
        return "the same command begins anew: it had no checkpoint yet"
    return f"the same command goes on from the checkpoint of step {_step_of(checkpoint)}"


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _has_ended(state: TrainerState) -> bool:
    """Whether the checkpoint was the training's last: all steps done, or stopped early."""
    callbacks: Any = state.stateful_callbacks
    return bool(callbacks["TrainerControl"]["args"]["should_training_stop"])


def _history(state: TrainerState) -> History:
    def curve(key: str) -> list[tuple[int, float]]:
        return [(int(entry["step"]), float(entry[key])) for entry in state.log_history if key in entry]

    by_kind = {kind: curve(f"{_EVAL}{_validated(kind)}") for kind in (RERANK, RETRIEVE)}
    margins = {whose: curve(name) for whose, name in MARGINS.items()}
    return History(
        curve("loss"),
        {kind: points for kind, points in by_kind.items() if points},
        curve(f"{_EVAL}{SELECTION}"),
        int(state.best_global_step or state.global_step),
        {whose: points for whose, points in margins.items() if points},
        curve(GRADIENT_NORM),
        curve(PADDING),
    )


def _validated(kind: str) -> str:
    """The name of a validation's figure, as test sets have theirs: dev/rerank/nDCG@10."""
    return f"dev/{kind}/nDCG@10"

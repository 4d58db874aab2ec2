"""Hugging Face's Trainer with our losses, batches, steps and validation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Sampler
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from distilrank.data.ragged import Rows
from distilrank.losses import Loss
from distilrank.losses.first_phase import FirstPhase
from distilrank.progress import Advance
from distilrank.rankers.base import Ranker
from distilrank.retrieval.vectors import Vectors
from distilrank.sections.training import Training
from distilrank.training.batches import Collator, TripleDataset
from distilrank.training.checkpoints import keep
from distilrank.training.figures import GRADIENT_NORM, NAMES, PHASE, VALIDATION_SHARE, Figures
from distilrank.training.in_batch import InBatchLesson
from distilrank.training.learning_rates import parameter_groups
from distilrank.training.lora import add_adapters, weights_that_learn
from distilrank.training.objective import own_of
from distilrank.training.phases import Phases
from distilrank.training.processes import ALONE, Processes
from distilrank.training.step import Computed, Step, scores_alone

# Receives figures as they come: {"loss": ..., "padding": ...}, or a validation's: {"dev/nDCG@10": ..., ...}.
Observer = Callable[[int, Mapping[str, float]], None]
EVAL = "eval_"  # Trainer's prefix of a validation's figures
_CURVE_POINTS = 50
# The schedules by Trainer's names.
_SCHEDULES = {
    "linear": "linear",
    "cosine": "cosine",
    "constant": "constant_with_warmup",
    "plateau": "reduce_lr_on_plateau",
}


@dataclass(frozen=True)
class TrainingTask:
    """What is trained, on which triples, by which loss. `validate` gives a ranker's mean `measure` by kind of task.

    Where several processes train, each validates its share. `in_batch` adds a lesson to the loss. `vectors` are those
    of queries, which are grouped into topics by them if the params ask for it. With a `first_phase`, the loss of the
    first steps is another.
    """

    begin: Callable[[], Ranker]
    params: Training
    loss: Loss
    triples: TripleDataset
    validate: Callable[[Ranker, Processes], Mapping[str, float]]
    in_batch: InBatchLesson | None = None
    vectors: Callable[[Rows], Vectors] | None = None
    measure: str = "nDCG@10"
    first_phase: FirstPhase | None = None


class RankerTrainer(Trainer):
    """Scores groups of passages, computes the task's loss, and validates as the task says."""

    def __init__(
        self,
        task: TrainingTask,
        arguments: TrainingArguments,
        among: Processes = ALONE,
        order: "Sampler[int] | None" = None,
    ) -> None:
        """`order` is that of the triples. None: at random, each triple once per epoch."""
        self.ranker, self.task, self._among, self._order = task.begin(), task, among, order
        if task.params.lora:
            add_adapters(self.ranker, task.params.lora)
        self.phases = Phases(task.loss, task.in_batch, task.first_phase, task.params.all_steps)
        self._teacher = task.in_batch.load() if task.in_batch else None
        arguments.metric_for_best_model = selection(task.measure)
        # Trainer demands a data set for validation, though `evaluate` uses the task's own.
        super().__init__(
            model=self.ranker,
            args=arguments,
            train_dataset=task.triples,
            eval_dataset=task.triples,
            data_collator=self._collator(_tokens_together(task.params, arguments.device)),
        )
        self.remove_callback(PrinterCallback)
        self._figures = Figures(task.loss.times)
        self._how = Computed(arguments.device, task.params.precision, task.params.gradient_cache, among)
        self.add_callback(self._figures)
        if task.params.gradient_checkpointing:
            backbone: Any = self.ranker.get_submodule("backbone")
            backbone.activation_checkpointing_enable({"use_reentrant": False})

    def _get_train_sampler(self, *_: Any) -> "Sampler[int] | None":
        return self._order or super()._get_train_sampler()

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Trainer's choice of optimiser, with our groups of weights."""
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
            loss = self._loss(step, batch)
            step_number = self.state.global_step + 1
            self.phases.of(step_number).divergence.check(loss.item(), step_number, batch["numbers"])
            loss = loss / self.current_gradient_accumulation_steps
            self.accelerator.backward(loss)
            step.backward()
        if self.accelerator.sync_gradients:
            self._among.add_gradients(self.ranker)
        return loss.detach()

    def _loss(self, step: Step, batch: dict[str, Any]) -> Tensor:
        self._figures.add(batch, own_of(step.scores, batch))
        taught = scores_alone(self._teacher, batch["in_batch"], self._how) if self._teacher else None
        loss = self.phases.of(self.state.global_step + 1).objective(step.scores, batch, taught)
        return loss + self._penalty(step) if self.ranker.params.penalised else loss

    def _penalty(self, step: Step) -> Tensor:
        queries, passages = step.texts_of_triples
        self._figures.add_entries(queries, passages)
        return self.ranker.penalty(queries, passages, (self.state.global_step + 1) / self.task.params.all_steps)

    def _collator(self, tokens: int) -> Collator:
        task, every, among = self.task, self.phases.every, self._among
        layout = None
        if task.in_batch:
            layout = Collator(TripleDataset(task.triples.rows, task.in_batch.texts, None), tokens, every, among=among)
        return Collator(task.triples, tokens, every, self.ranker.params.reads_pairs, among, layout)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            logs |= self._figures.take()
            if self.task.first_phase:
                logs[PHASE] = self.phases.number(self.state.global_step)
        # The norm of a float16 step that is skipped, since its gradients overflowed.
        if not math.isfinite(logs.get(GRADIENT_NORM, 0.0)):
            del logs[GRADIENT_NORM]
        super().log(logs, start_time)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        # Weights that do not learn are those with which the training begins.
        super()._save(output_dir, weights_that_learn(self.ranker))

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        self.ranker.train(False)
        with self._figures.validating():
            by_kind = self.task.validate(self.ranker, self._among)
        figures = {selection(self.task.measure): fmean(by_kind.values())}
        figures |= {validated(kind, self.task.measure): value for kind, value in by_kind.items()}
        figures[VALIDATION_SHARE] = self._figures.validation_share()
        metrics = {f"{EVAL}{name}": value for name, value in figures.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class Watch(TrainerCallback):
    """Shows progress, reports figures, and keeps the newest checkpoint and the best."""

    def __init__(self, advance: Advance, observe: Observer) -> None:
        self._advance, self._observe = advance, observe

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._advance(1)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        logs = kwargs["logs"].items()
        figures = {
            key.removeprefix(EVAL): value for key, value in logs if key in ("loss", *NAMES) or key.startswith(EVAL)
        }
        if figures:
            self._observe(state.global_step, figures)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not args.should_save:
            return
        keep(Path(str(args.output_dir)), state.global_step, state.best_global_step)


def _tokens_together(params: Training, device: torch.device) -> int:
    """The padded tokens that are encoded at once. On a CPU they are few, since padding costs more than small products
    do."""
    return params.tokens_together or (1_000 if device.type == "cpu" else 16_384)


def _plateau(params: Training) -> dict[str, Any]:
    """The arguments of torch's ReduceLROnPlateau. A gain is defined as for early stopping."""
    return {"mode": "max", "threshold": 0.0, **params.plateau.model_dump()}


def training_arguments(params: Training, work: Path, device: torch.device) -> TrainingArguments:
    """The params under Trainer's names."""
    # A divisor of the steps between checkpoints, so that no loss is a mean over an interruption.
    coarsest = max(1, params.all_steps // _CURVE_POINTS)
    logging_steps = next(steps for steps in range(coarsest, 0, -1) if params.validate_every % steps == 0)
    arguments = TrainingArguments(
        output_dir=str(work),
        max_steps=params.all_steps,
        per_device_train_batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        warmup_steps=round(params.warmup_share * params.all_steps),
        lr_scheduler_type=_SCHEDULES[params.schedule],
        lr_scheduler_kwargs=_plateau(params) if params.schedule == "plateau" else None,
        gradient_accumulation_steps=params.accumulate,
        max_grad_norm=params.max_gradient_norm or 0.0,
        seed=params.seed,
        eval_strategy="steps",
        eval_steps=params.validate_every,
        save_strategy="steps",
        save_steps=params.validate_every,
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
        # One card per process. Trainer would spread each batch over all cards, and so train on larger batches.
        arguments._n_gpu = 1
    return arguments


def selection(measure: str) -> str:
    """The name of the figure that chooses the step to keep: the mean of the validation's figures."""
    return f"dev/{measure}"


def validated(kind: str, measure: str) -> str:
    """The name of a validation's figure, like those of test sets: dev/rerank/nDCG@10."""
    return f"dev/{kind}/{measure}"

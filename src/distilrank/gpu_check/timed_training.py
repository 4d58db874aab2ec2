"""How fast a Trainer trains: ours, or one of sentence-transformers with MarginMSELoss, which is made here."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from distilrank.gpu_check.bench import NotChecked

WARM_UP = 3


class Clock(TrainerCallback):
    """The seconds from the end of the warm-up to the end of the last step, and each logged loss."""

    def __init__(self, steps: int, finish: Callable[[], None] = lambda: None) -> None:
        """`finish` waits for what was begun on a card."""
        self._steps, self._finish = steps, finish
        self.seconds, self.losses = 0.0, list[float]()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step in (WARM_UP, self._steps):
            self._finish()
            self.seconds = time.perf_counter() - self.seconds

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.losses += [kwargs["logs"]["loss"]] if "loss" in kwargs["logs"] else []


def steps_per_second(trainer: Any, clock: Clock, steps: int) -> float:
    """The rate after the warm-up, with everything included: layout, forward, backward, optimiser."""
    trainer.add_callback(clock)
    trainer.train()
    return (steps - WARM_UP) / clock.seconds


def peer_trainer(
    model: Path, cross: bool, columns: Mapping[str, Sequence[Any]], device: str, settings: Mapping[str, Any]
) -> Any:
    """A CrossEncoderTrainer or SentenceTransformerTrainer on an exported ranker.

    `columns` are query, positive, negative, and the teacher's margin as label. Raises NotChecked without its libraries.
    """
    try:
        import sentence_transformers as peer
        from datasets import Dataset
        from sentence_transformers.cross_encoder.losses import MarginMSELoss as OfCrossEncoder
        from sentence_transformers.sentence_transformer.losses import MarginMSELoss as OfBiEncoder
    except ImportError as error:
        raise NotChecked(f"sentence-transformers and datasets, which it needs, cannot be imported: {error}") from error
    kinds: Any = (
        (peer.CrossEncoderTrainingArguments, peer.CrossEncoder, OfCrossEncoder, peer.CrossEncoderTrainer)
        if cross
        else (peer.SentenceTransformerTrainingArguments, peer.SentenceTransformer, OfBiEncoder,
              peer.SentenceTransformerTrainer)
    )  # fmt: skip
    arguments_of, model_of, loss_of, trainer_of = kinds
    arguments = arguments_of(
        use_cpu=device == "cpu",
        dataloader_pin_memory=device != "cpu",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **settings,
    )
    encoder = model_of(str(model), device=device)
    data = Dataset.from_dict(dict(columns))
    return trainer_of(model=encoder, args=arguments, train_dataset=data, loss=loss_of(encoder))

"""Figures beside the loss that show whether a training is sound, and how fast it is."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from distilrank.rankers.base import Encoded

# The norm of the gradient before clipping, computed and named by Trainer.
GRADIENT_NORM = "grad_norm"
PADDING = "padding"
MARGINS = {"student": "margin/student", "teacher": "margin/teacher"}
# For a ranker with a penalty: how many entries of a text's vector are not 0.
ENTRIES = {"queries": "entries/queries", "passages": "entries/passages"}
# With a first phase: 1 if the latest step was of it, 2 after it.
PHASE = "phase"
# These differ from run to run, so no output of a stage may contain them.
TOKENS_PER_SECOND, GPU_MEMORY = "tokens_per_second", "gpu_memory_gib"
# The time of all validations so far, as a share of the time of the steps.
VALIDATION_SHARE = "validation_share"
NAMES = (GRADIENT_NORM, PADDING, PHASE, *MARGINS.values(), *ENTRIES.values(), TOKENS_PER_SECOND, GPU_MEMORY)


class Figures(TrainerCallback):
    """Collects figures of each batch. Each call gives those since the previous call.

    Sums stay on the device until then, so that no step waits for the card.
    """

    _began: float

    def __init__(self, times: float = 1.0) -> None:
        """`times`: the factor by which the loss multiplies the teacher's margins."""
        self._times = times
        self._steps = self._validations = 0.0
        self._begin_anew()

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        # The first step after the last figures, since validations and checkpoints come between.
        self._began = min(self._began, time.perf_counter())

    def add(self, batch: Mapping[str, Any], scores: Tensor) -> None:
        """Adds a batch in Collator's layout, and the student's scores (batch, 1 + n) of its triples."""
        self._tokens += batch["tokens"]
        self._padding += batch["padding"]
        self._triples += len(scores)
        self._add_margins("student", scores.detach())
        if "teacher" in batch:
            self._add_margins("teacher", batch["teacher"] * self._times)

    def add_entries(self, queries: Encoded, passages: Encoded) -> None:
        """Adds the entries of the texts in the same batch's triples."""
        for side, texts in (("queries", queries), ("passages", passages)):
            of_a_text = texts.values.count_nonzero() / len(texts.mask)
            self._entries[side] = [*self._entries.get(side, []), of_a_text]

    def take(self) -> dict[str, float]:
        """The figures by NAMES, without the gradient's norm and the phase.

        Margins are means over triples of the positive's score minus the mean of the negatives'. Entries are means over
        texts. Memory is the card's peak so far.
        """
        figures = {MARGINS[whose]: total.item() / self._triples for whose, total in self._margins.items()}
        figures |= {ENTRIES[side]: torch.stack(some).mean().item() for side, some in self._entries.items()}
        figures[PADDING] = self._padding / (self._tokens + self._padding)
        # Read after the margins, for which the card has finished its work.
        seconds = time.perf_counter() - self._began
        self._steps += seconds
        figures[TOKENS_PER_SECOND] = self._tokens / seconds
        device = self._margins["student"].device
        if device.type == "cuda":
            figures[GPU_MEMORY] = torch.cuda.max_memory_allocated(device) / 2**30
        self._begin_anew()
        return figures

    @contextmanager
    def validating(self) -> Iterator[None]:
        """A block around a validation, so that its time does not count as that of steps."""
        began = time.perf_counter()
        yield
        self._validations += time.perf_counter() - began

    def validation_share(self) -> float:
        """The share since this process began, 0 before the first steps."""
        return self._validations / self._steps if self._steps else 0.0

    def _begin_anew(self) -> None:
        self._began = math.inf
        self._tokens = self._padding = self._triples = 0
        self._margins: dict[str, Tensor] = {}
        self._entries: dict[str, list[Tensor]] = {}

    def _add_margins(self, whose: str, scores: Tensor) -> None:
        margins = scores[:, 0] - scores[:, 1:].mean(1)
        self._margins[whose] = self._margins.get(whose, 0) + margins.sum(dtype=torch.float64)

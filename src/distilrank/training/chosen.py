"""What a training chooses before its first step and keeps when it continues: the scale of its teacher's margins, the
number of steps in its budget, and of those in its first phase."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import set_seed

from distilrank.artifacts.files import read_json, write_json
from distilrank.rankers.pair_scores import StoredPairs, pair_scores
from distilrank.training.budget import steps_within_budget
from distilrank.training.history import FIRST_PHASE
from distilrank.training.processes import Processes
from distilrank.training.trainer import TrainingTask

_FILE = "chosen.json"
# The triples whose first margins decide the scale.
_TRIPLES = 256
# Up to this margin, RankNet's log(1 + exp(-margin)) is steep: a student with smaller margins soon reaches it.
_LEAST = 1.0


def with_choices(task: TrainingTask, work: Path, among: Processes) -> TrainingTask:
    """The task with all choices that its params leave open. All processes make them together. After a kill, they are
    read from the file."""
    if not (task.loss.fits_scale or task.params.budget or task.first_phase):
        return task
    found = choices(work)
    is_new = not found
    if task.loss.fits_scale:
        if is_new:
            found["scale"] = _of_the_first(_scale(task), among)
        task = replace(task, loss=task.loss.scaled(found["scale"]))
    if task.params.budget:
        if is_new:
            found["steps"] = round(_of_the_first(steps_within_budget(task, work, among), among))
        task = replace(task, params=task.params.model_copy(update={"steps": found["steps"], "budget": None}))
    if task.first_phase and is_new:
        found[FIRST_PHASE] = task.first_phase.steps(task.params.all_steps)
    # All processes have met above, so no process finds the file before it has chosen.
    if is_new and among.first:
        write_json(work / _FILE, found)
    return task


def choices(work: Path) -> dict[str, float]:
    """The choices, by name."""
    found: dict[str, float] = read_json(work / _FILE) if (work / _FILE).exists() else {}
    return found


def _of_the_first(number: float, among: Processes) -> float:
    """The first process's number, for all processes."""
    return float(among.sum(torch.tensor([number if among.first else 0.0], dtype=torch.float64))[0])


def _scale(task: TrainingTask) -> float:
    """The scale max(m, 1) / t, with m the root mean square of the student's first margins, and t that of its teacher's.
    1 where t is 0."""
    assert task.triples.teacher is not None, "a loss that fits a scale has a teacher"
    some = np.unique(np.linspace(0, len(task.triples) - 1, _TRIPLES).astype(np.int64))
    queries, passages = task.triples.rows.queries[some], task.triples.rows.passages[some]
    set_seed(task.params.seed)
    ranker = task.begin()
    ranker.train(False)
    pairs = StoredPairs(task.triples.texts, np.repeat(queries, passages.shape[1]), passages.ravel())
    student = pair_scores(ranker, pairs, task.params.precision).scores.reshape(passages.shape)
    taught = _root_mean_square(task.triples.teacher[some])
    scale = max(_root_mean_square(student), _LEAST) / taught if taught else 1.0
    print(f"the teacher's margins count {scale:.3g} times", flush=True)
    return scale


def _root_mean_square(scores: npt.NDArray[np.float32]) -> float:
    """The root mean square of the margins in scores (triples, 1 + negatives)."""
    return float(np.sqrt(np.mean((scores[:, :1] - scores[:, 1:]).astype(np.float64) ** 2)))

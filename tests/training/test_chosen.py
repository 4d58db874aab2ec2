"""What is chosen before the first step: the scale of a teacher's margins, and the steps that a budget holds."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.training.conftest import Begin
from tests.training.test_trainer import dataset, score_of_pair

from distilrank.data.tokens import TokenStore
from distilrank.losses import MarginMSE
from distilrank.rankers.base import Ranker
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.tk.params import TkParams
from distilrank.sections.training import Budget, Training
from distilrank.training.budget import steps_in
from distilrank.training.train import train
from distilrank.training.trainer import TrainingTask

DOT = DotParams(architecture="dot", layers=1, pooling="mean")
PARAMS = Training(steps=6, batch_size=3, learning_rate=1e-3, validate_every=2, seed=1)
SCORES = np.random.default_rng(0).normal(0, 30, (6, 3)).astype(np.float32)


@pytest.fixture
def task(begin: Begin, triples: pl.DataFrame, tokens: TokenStore) -> TrainingTask:
    """Taught by margins of about 40."""
    better = iter(range(1000))
    fitted = MarginMSE(scale="fitted")
    return TrainingTask(
        lambda: begin(DOT), PARAMS, fitted, dataset(triples, tokens, SCORES), lambda *_: {"rerank": next(better) / 1000}
    )


def ignore(*_: object) -> None:
    pass


def rms(scores: "np.ndarray") -> float:
    return float(np.sqrt(np.mean((scores[:, :1] - scores[:, 1:]) ** 2)))


def test_margins_are_brought_to_the_students_own_and_the_history_says_by_what(
    task: TrainingTask, begin: Begin, triples: pl.DataFrame, tokens: TokenStore, tmp_path: Path
) -> None:
    ranker = begin(DOT).eval()
    rows = zip(triples["query_id"], triples["positive_id"], triples["negative_ids"], strict=True)
    first = np.array(
        [[score_of_pair(ranker, tokens, int(query[1]), int(one[1])) for one in (positive, *negatives)]
         for query, positive, negatives in rows]
    )  # fmt: skip
    expected = max(rms(first), 1) / rms(SCORES)
    _, history = train(task, tmp_path / "fitted", ignore)
    assert history.chosen == {"scale": pytest.approx(expected, rel=1e-4)}
    # It is what a number would be, and the curves are of margins as they are learned.
    given = dataclasses.replace(task, loss=MarginMSE(scale=history.chosen["scale"]))
    _, by_number = train(given, tmp_path / "given", ignore)
    assert (by_number.loss, by_number.margins) == (history.loss, history.margins)
    means = np.mean(SCORES[:, 0] - SCORES[:, 1:].mean(1)) * expected
    assert np.mean([value for _, value in history.margins["teacher"]]) == pytest.approx(means, rel=1e-3)


def test_a_student_whose_scores_all_tie_at_first_learns_margins_of_one(
    task: TrainingTask, begin: Begin, tmp_path: Path
) -> None:
    def begun() -> Ranker:
        ranker = begin(TkParams(architecture="tk", layers=1))
        torch.nn.init.zeros_(ranker.get_submodule("head").get_parameter("weight"))
        return ranker

    _, history = train(dataclasses.replace(task, begin=begun), tmp_path, ignore)
    assert history.chosen["scale"] * rms(SCORES) == pytest.approx(1)


def test_a_teacher_whose_scores_all_tie_has_no_scale(
    task: TrainingTask, triples: pl.DataFrame, tokens: TokenStore, tmp_path: Path
) -> None:
    tied = dataclasses.replace(task, triples=dataset(triples, tokens, np.ones_like(SCORES)))
    assert train(tied, tmp_path, ignore)[1].chosen == {"scale": 1.0}


def test_what_was_chosen_stays_when_a_training_goes_on(task: TrainingTask, tmp_path: Path) -> None:
    """Whatever this machine would choose now."""
    within = dataclasses.replace(task, params=budgeted(1e-4))
    (tmp_path / "chosen.json").write_text(json.dumps({"scale": 0.5, "steps": 8}))
    _, history = train(within, tmp_path, ignore)
    assert history.chosen == {"scale": 0.5, "steps": 8}
    assert history.selection[-1][0] == 8


def budgeted(minutes: float) -> Training:
    return PARAMS.model_copy(update={"steps": None, "budget": Budget(minutes=minutes)})


def test_a_budget_is_a_number_of_steps_that_the_schedule_follows(
    task: TrainingTask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, history = train(dataclasses.replace(task, params=budgeted(0.02)), tmp_path / "budget", ignore)
    steps = int(history.chosen["steps"])
    assert steps % PARAMS.validate_every == 0
    assert history.selection[-1][0] == steps
    assert f"budget of 0.02 minutes: {steps:,} steps" in capsys.readouterr().out
    # The same as with these steps, scale and seed: what was timed has left no trace.
    loss = MarginMSE(scale=history.chosen["scale"])
    again = dataclasses.replace(task, params=PARAMS.model_copy(update={"steps": steps}), loss=loss)
    assert train(again, tmp_path / "steps", ignore)[1].loss == history.loss


@given(st.floats(1, 1e5), st.floats(1e-3, 10), st.floats(0, 60), st.integers(1, 500))
def test_a_budget_is_kept_unless_it_holds_not_one_validation(
    seconds: float, step: float, validation: float, validate_every: int
) -> None:
    steps = steps_in(seconds, step, validation, validate_every)
    rounds = steps // validate_every
    assert steps == rounds * validate_every
    cost = validate_every * step + validation
    assert rounds * cost <= seconds * (1 + 1e-9) or rounds == 1
    assert (rounds + 1) * cost > seconds * (1 - 1e-9)


@pytest.mark.parametrize(
    ("keys", "refusal"),
    [({"steps": 6, "budget": {"minutes": 1.0}}, "both steps and budget"), ({}, "neither steps nor budget")],
)
def test_steps_and_budget_exclude_each_other(keys: dict[str, object], refusal: str) -> None:
    with pytest.raises(ValidationError, match=refusal):
        Training(learning_rate=1e-3, validate_every=2, **keys)

"""A first phase: its loss in its steps, the usual loss after them, also in a training that goes on or has a budget."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.training.conftest import Begin
from tests.training.test_trainer import dataset, ignore, score_of_pair

from distilrank.data.tokens import TokenStore
from distilrank.losses import MarginMSE, WeightedRankNet
from distilrank.losses.first_phase import FirstPhase
from distilrank.rankers.dot.params import DotParams
from distilrank.sections.training import Budget, Training
from distilrank.training.train import train
from distilrank.training.trainer import TrainingTask

DOT = DotParams(architecture="dot", layers=1, pooling="mean")
PARAMS = Training(steps=8, batch_size=6, learning_rate=1e-3, warmup_share=0.0, validate_every=2, seed=1)
SCORES = np.random.default_rng(0).normal(0, 30, (6, 3)).astype(np.float32)
# At this rate, the weights stay as they are.
STILL = {"learning_rate": 1e-12}


@pytest.fixture
def task(begin: Begin, triples: pl.DataFrame, tokens: TokenStore) -> TrainingTask:
    """The first three of eight steps are of the first phase, and each batch has all triples."""
    return TrainingTask(
        lambda: begin(DOT), PARAMS, MarginMSE(), dataset(triples, tokens, SCORES), lambda *_: {"rerank": 0.5},
        first_phase=FirstPhase(share=0.4),
    )  # fmt: skip


def changed(task: TrainingTask, **params: object) -> TrainingTask:
    return replace(task, params=task.params.model_copy(update=params))


class Phases:
    """The number of the phase at each step, as it is logged."""

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}

    def __call__(self, step: int, figures: Mapping[str, float]) -> None:
        if "phase" in figures:
            self.seen[step] = figures["phase"]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_loss_changes_exactly_behind_the_last_step_of_the_first_phase(
    accumulate: int, task: TrainingTask, begin: Begin, triples: pl.DataFrame, tokens: TokenStore, tmp_path: Path
) -> None:
    ranker, phases = begin(DOT).eval(), Phases()
    student = np.array(
        [[score_of_pair(ranker, tokens, int(query[1]), int(one[1])) for one in (positive, *negatives)]
         for query, positive, negatives in triples.iter_rows()]
    )  # fmt: skip
    own, taught = (scores[:, :1] - scores[:, 1:] for scores in (student, SCORES))
    before = np.mean(np.maximum(taught, 0) * np.log1p(np.exp(-own)))
    after = np.mean((own - taught) ** 2)
    still = changed(task, **STILL, batch_size=6 // accumulate, accumulate=accumulate)
    _, history = train(still, tmp_path / "phases", phases)
    assert [loss for _, loss in history.loss] == pytest.approx([before] * 3 + [after] * 5, rel=1e-4)
    assert phases.seen == {step: 1 if step <= 3 else 2 for step in range(1, 9)}
    assert history.chosen == {"first_phase": 3}
    # The gradients are those of trainings by one of the losses.
    alone = [
        train(replace(still, loss=loss, first_phase=None), tmp_path / loss.name, ignore)[1].grad_norm
        for loss in (WeightedRankNet(), MarginMSE())
    ]
    assert history.grad_norm == [*alone[0][:3], *alone[1][3:]]


@pytest.mark.parametrize("stopped", [3, 5, 7], ids=["in the first phase", "behind a later start", "after it"])
def test_an_interrupted_training_goes_on_in_its_phase(stopped: int, task: TrainingTask, tmp_path: Path) -> None:
    whole, history = train(task, tmp_path / "whole", ignore)

    class Interruption(Exception):
        pass

    def stop(step: int, *_: object) -> None:
        if step == stopped:
            raise Interruption

    phases = Phases()
    with pytest.raises(Interruption):
        train(task, tmp_path / "halves", stop)
    resumed, resumed_history = train(task, tmp_path / "halves", phases)
    assert phases.seen == {step: 1 if step <= 3 else 2 for step in range(stopped, 9)}
    for name, weight in whole.named_parameters():
        torch.testing.assert_close(resumed.get_parameter(name), weight, atol=1e-6, rtol=1e-5)
    np.testing.assert_allclose(resumed_history.loss, history.loss, rtol=1e-4)
    assert resumed_history.chosen == history.chosen


def test_with_a_budget_the_share_is_of_the_steps_that_fit(
    task: TrainingTask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phases, budget = Phases(), Budget(minutes=0.01)
    _, history = train(changed(task, steps=None, budget=budget), tmp_path, phases)
    steps = int(history.chosen["steps"])
    first = history.chosen["first_phase"]
    assert first == round(0.4 * steps)
    assert all(phase == (1 if step <= first else 2) for step, phase in phases.seen.items())
    said = f"steps 1 to {first:,} learn by weighted-ranknet, the others by margin-mse\n"
    assert capsys.readouterr().out.count(said) == 1


def test_a_change_of_loss_is_no_divergence(
    task: TrainingTask, triples: pl.DataFrame, tokens: TokenStore, tmp_path: Path
) -> None:
    """Margins of 10,000 make Margin-MSE ten thousand times as high as the first loss, of which ten values are seen."""
    far = replace(task, triples=dataset(triples, tokens, SCORES * 300), first_phase=FirstPhase(share=0.75))
    _, history = train(changed(far, **STILL, steps=16), tmp_path, ignore)
    losses = [loss for _, loss in history.loss]
    assert losses[12] > 1000 * max(losses[:12])

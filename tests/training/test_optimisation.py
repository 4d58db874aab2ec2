"""What a step is made of: accumulated batches, rates by layer, decay, checkpointing; and a loss that goes astray."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.training.conftest import Begin

from distilrank.data.tokens import TokenStore
from distilrank.losses import MarginMSE
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.params import RankerParams
from distilrank.rankers.prettr.params import PrettrParams
from distilrank.sections.training import Plateau, Training
from distilrank.training.batches import Collator, TripleDataset
from distilrank.training.divergence import Diverged
from distilrank.training.learning_rates import parameter_groups
from distilrank.training.train import train
from distilrank.training.trainer import RankerTrainer, TrainingTask, training_arguments

DOT = DotParams(layers=2, pooling="mean")
# By which the poisoned triple comes late in its epoch.
SEED = 2
PARAMS = Training(steps=1, batch_size=6, learning_rate=1e-3, warmup_share=0.0, validate_every=1)


def validate(*_: object) -> dict[str, float]:
    return {"rerank": 0.5}


@pytest.fixture
def task(begin: Begin, triples: pl.DataFrame, tokens: TokenStore) -> TrainingTask:
    scores = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    dataset = TripleDataset(tokens.triple_rows(triples), tokens.texts, scores)
    return TrainingTask(lambda: begin(DOT), PARAMS, MarginMSE(), dataset, validate)


def changed(task: TrainingTask, **params: object) -> TrainingTask:
    return replace(task, params=task.params.model_copy(update=params))


def ignore(*_: object) -> None:
    pass


def test_accumulated_batches_are_one_large_batch(task: TrainingTask, tmp_path: Path) -> None:
    whole, history = train(changed(task, steps=2, validate_every=2), tmp_path / "whole", ignore)
    parts = changed(task, steps=2, validate_every=2, batch_size=2, accumulate=3)
    accumulated, its_history = train(parts, tmp_path / "parts", ignore)
    for name, weight in whole.named_parameters():
        torch.testing.assert_close(accumulated.get_parameter(name), weight, atol=1e-5, rtol=1e-4)
    np.testing.assert_allclose(its_history.loss, history.loss, rtol=1e-4)


def test_the_lower_the_layer_the_slower_it_learns(task: TrainingTask, begin: Begin) -> None:
    ranker = begin(CatParams(layers=2, pooling="pooler"))
    groups = parameter_groups(ranker, task.params.model_copy(update={"layer_decay": 0.5, "weight_decay": 0.01}))
    settings = {id(weight): (group["lr"], group["weight_decay"]) for group in groups for weight in group["params"]}
    assert len(settings) == sum(len(group["params"]) for group in groups) == len(list(ranker.parameters()))
    found = {name: settings[id(weight)] for name, weight in ranker.named_parameters()}
    for name, expected in {
        "backbone.encoder.layer.1.output.dense.weight": (5e-4, 0.01),
        "backbone.encoder.layer.1.output.dense.bias": (5e-4, 0.0),
        "backbone.encoder.layer.0.output.LayerNorm.weight": (2.5e-4, 0.0),
        "backbone.encoder.layer.0.output.dense.weight": (2.5e-4, 0.01),
        "backbone.embeddings.word_embeddings.weight": (1.25e-4, 0.01),
        "backbone.pooler.dense.weight": (1e-3, 0.01),
        "head.weight": (1e-3, 0.01),
    }.items():
        assert found[name] == pytest.approx(expected), name


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_the_rate_falls_as_the_schedule_says(schedule: str, task: TrainingTask, tmp_path: Path) -> None:
    params = changed(task, steps=10, validate_every=10, warmup_share=0.2, schedule=schedule)
    trainer = RankerTrainer(params, training_arguments(params.params, tmp_path, torch.device("cpu")))
    trainer.create_optimizer_and_scheduler(num_training_steps=10)
    rates = []
    for _ in range(10):
        rates.append(trainer.optimizer.param_groups[0]["lr"] / 1e-3)
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
    left = np.linspace(1, 0, 9)[:8]  # behind two steps of warm-up
    falls = {"linear": left, "cosine": (1 + np.cos(np.pi * (1 - left))) / 2, "constant": np.ones(8)}
    assert rates == pytest.approx([0, 0.5, *falls[schedule]])


def on_a_plateau(task: TrainingTask, figures: list[float]) -> TrainingTask:
    """Validated at each step; the second validation in a row without a gain brings the rate to a quarter."""
    validations = iter(figures)
    params = changed(task, steps=6, schedule="plateau", plateau=Plateau(patience=1, factor=0.25))
    return replace(params, validate=lambda *_: {"rerank": next(validations)})


def test_the_rate_falls_where_validations_bring_no_gain(task: TrainingTask, tmp_path: Path) -> None:
    chosen = on_a_plateau(task, [0.5, 0.4, 0.5, 0.6, 0.6, 0.5])
    trainer = RankerTrainer(chosen, training_arguments(chosen.params, tmp_path, torch.device("cpu")))
    trainer.train()
    rates = [logs["learning_rate"] for logs in trainer.state.log_history if "learning_rate" in logs]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 2.5e-4, 2.5e-4, 2.5e-4])
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(6.25e-5)


def test_an_interrupted_training_remembers_its_plateau(task: TrainingTask, tmp_path: Path) -> None:
    """It ends between the two validations that bring no gain."""
    figures = [0.5, 0.4, 0.4, 0.4, 0.4, 0.6]
    whole, _ = train(on_a_plateau(task, figures), tmp_path / "whole", ignore)

    class Interruption(Exception):
        pass

    def stop(step: int, *_: object) -> None:
        if step == 3:
            raise Interruption

    with pytest.raises(Interruption):
        train(on_a_plateau(task, figures), tmp_path / "halves", stop)
    resumed, history = train(on_a_plateau(task, figures[2:]), tmp_path / "halves", ignore)
    assert history.best_step == 6
    for name, weight in whole.named_parameters():
        torch.testing.assert_close(resumed.get_parameter(name), weight, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("params", [DOT, CatParams(layers=2), PrettrParams(layers=2, join_layer=1)], ids=str)
def test_gradients_are_the_same_where_states_are_computed_again(
    params: RankerParams, task: TrainingTask, begin: Begin, tmp_path: Path
) -> None:
    gradients = []
    for again in (False, True):
        chosen = replace(changed(task, gradient_checkpointing=again), begin=lambda: begin(params).train())
        trainer = RankerTrainer(chosen, training_arguments(chosen.params, tmp_path, torch.device("cpu")))
        batch = Collator(task.triples, 1000, reads_pairs=params.reads_pairs)([0, 3, 5])
        trainer.current_gradient_accumulation_steps = 1
        trainer.training_step(trainer.ranker, batch)
        gradients.append({name: weight.grad for name, weight in trainer.ranker.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("length", [None, 1e-6])
def test_a_gradient_is_cut_to_a_length(length: float | None, task: TrainingTask, tmp_path: Path) -> None:
    arguments = training_arguments(changed(task, max_gradient_norm=length).params, tmp_path, torch.device("cpu"))
    assert arguments.max_grad_norm == (length or 0)


@pytest.mark.parametrize("poison", [1e30, 1e12])
def test_a_poisoned_batch_ends_the_training_and_is_named(
    poison: float, begin: Begin, triples: pl.DataFrame, tokens: TokenStore, tmp_path: Path
) -> None:
    """By a loss beyond float32, or one a thousand times as high as the first ones."""
    rows = tokens.triple_rows(pl.concat([triples] * 4))
    scores = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
    scores[17, 0] = poison
    params = Training(steps=24, batch_size=1, learning_rate=1e-5, warmup_share=0.0, validate_every=24, seed=SEED)
    dataset = TripleDataset(rows, tokens.texts, scores)
    with pytest.raises(Diverged, match=r"^a loss of \S+ at step \d+$") as diverged:
        train(TrainingTask(lambda: begin(DOT), params, MarginMSE(), dataset, validate), tmp_path, ignore)
    assert diverged.value.numbers == [17]

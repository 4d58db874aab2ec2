"""LoRA: what learns, what an optimiser and a checkpoint hold, going on to the same bytes, and the merged ranker."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.rankers.examples import EXAMPLES, FAMILIES, assert_close, begun, rows, saved_backbone, tolerance_of
from tests.training.conftest import Begin
from torch import Tensor

from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import TokenStore
from distilrank.losses import MarginMSE
from distilrank.rankers.base import Ranker
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.loading import load_ranker, pretrained
from distilrank.rankers.params import RankerParams
from distilrank.rankers.prettr.params import PrettrParams
from distilrank.sections.training import Lora, Training
from distilrank.training.batches import Collator, TripleDataset
from distilrank.training.lora import add_adapters, check_adapters, merged, weights_that_learn
from distilrank.training.train import train
from distilrank.training.trainer import RankerTrainer, TrainingTask, training_arguments

POOLED = CatParams(layers=2, pooling="pooler")
PARAMS = Training(
    steps=4, batch_size=3, learning_rate=1e-2, warmup_share=0.0, validate_every=2, lora=Lora(rank=2, dropout=0.1)
)  # fmt: skip
ON_TRANSFORMERS = {
    name: params
    for examples in EXAMPLES.values()
    for name, params in examples.items()
    if params.has_transformer
}  # fmt: skip
PAIRS = (rows(3, 7, width=8, seed=1), rows(9, 4, width=12, seed=2))


@pytest.fixture
def task(begin: Begin, triples: pl.DataFrame, tokens: TokenStore) -> TrainingTask:
    """Every validation is better than the one before."""
    better = iter(range(100))
    scores = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    dataset = TripleDataset(tokens.triple_rows(triples), tokens.texts, scores)
    return TrainingTask(lambda: begin(POOLED), PARAMS, MarginMSE(), dataset, lambda *_: {"rerank": next(better) / 100})


def trainer_of(task: TrainingTask, work: Path) -> RankerTrainer:
    return RankerTrainer(task, training_arguments(task.params, work, torch.device("cpu")))


def ignore(*_: object) -> None:
    pass


def stirred(ranker: Ranker) -> None:
    """Gives adapters, which begin as zero, something to say."""
    for name, weight in ranker.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)


def scores_of(ranker: Ranker) -> Tensor:
    with torch.inference_mode():
        return ranker.eval().score(*PAIRS)


def test_adapters_head_and_pooler_learn_and_nothing_else(task: TrainingTask, tmp_path: Path) -> None:
    before = task.begin()
    after, _ = train(task, tmp_path, ignore)
    moved = {name for name, weight in after.named_parameters() if not weight.equal(before.get_parameter(name))}
    linear = [
        f"backbone.encoder.layer.{layer}.{part}.weight"
        for layer in range(2)
        for part in (
            "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
            "intermediate.dense", "output.dense",
        )
    ]  # fmt: skip
    # A margin has no use for the head's bias.
    assert moved - {"head.bias"} == {
        *linear,
        "backbone.pooler.dense.weight",
        "backbone.pooler.dense.bias",
        "head.weight",
    }


def test_weights_that_stay_have_no_state_and_stand_in_no_checkpoint(task: TrainingTask, tmp_path: Path) -> None:
    train(task, tmp_path, ignore)
    trainer = trainer_of(task, tmp_path)
    learning = {name: weight.numel() for name, weight in trainer.ranker.named_parameters() if weight.requires_grad}
    assert sum("lora" in name for name in learning) == 2 * 2 * 6
    assert load_file(tmp_path / "checkpoint-4" / "model.safetensors").keys() == learning.keys()
    optimiser = torch.load(tmp_path / "checkpoint-4" / "optimizer.pt", weights_only=True)
    states = [entry["exp_avg"].numel() for entry in optimiser["state"].values()]
    assert sorted(states) == sorted(learning.values())


def test_what_is_trained_is_an_ordinary_ranker_that_scores_as_the_one_with_adapters(
    task: TrainingTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last validation sees the scores that the model has in the end, of a start that scored otherwise."""
    validated: list[Tensor] = []

    def validate(ranker: Ranker, *_: object) -> dict[str, float]:
        validated.append(scores_of(ranker))
        return {"rerank": len(validated) / 100}

    longer = PARAMS.model_copy(update={"steps": 20, "validate_every": 10, "learning_rate": 5e-2})
    trained, _ = train(dataclasses.replace(task, params=longer, validate=validate), tmp_path / "work", ignore)
    trained.save_pretrained(tmp_path / "model")
    for name in [name for name in sys.modules if name.partition(".")[0] == "peft"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "peft", None)
    loaded = load_ranker(tmp_path / "model")
    begun_with = task.begin()
    assert loaded.state_dict().keys() == begun_with.state_dict().keys()
    assert_close(scores_of(loaded), validated[-1], 1e-5)
    assert (validated[-1] - scores_of(begun_with)).abs().max() > 0.05


def test_an_interrupted_training_goes_on_to_the_same_bytes(task: TrainingTask, tmp_path: Path) -> None:
    whole, history = train(task, tmp_path / "whole", ignore)

    class Interruption(Exception):
        pass

    def stop(step: int, *_: object) -> None:
        if step == 3:
            raise Interruption

    better = iter(range(100))
    again = dataclasses.replace(task, validate=lambda *_: {"rerank": next(better) / 100})
    with pytest.raises(Interruption):
        train(again, tmp_path / "halves", stop)
    torch.manual_seed(99)
    resumed, resumed_history = train(again, tmp_path / "halves", ignore)
    for name, ranker in (("whole", whole), ("resumed", resumed)):
        ranker.save_pretrained(tmp_path / name)
    files = [tmp_path / name / "model.safetensors" for name in ("whole", "resumed")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert (resumed_history.loss, resumed_history.best_step) == (history.loss, history.best_step)


@pytest.mark.parametrize("params", [DotParams(layers=2, pooling="mean"), POOLED, PrettrParams(layers=2, join_layer=1)])
def test_gradients_are_the_same_where_states_are_computed_again(
    params: RankerParams, task: TrainingTask, begin: Begin, tmp_path: Path
) -> None:
    gradients = []
    for again in (False, True):
        training = PARAMS.model_copy(update={"gradient_checkpointing": again})
        chosen = dataclasses.replace(task, params=training, begin=lambda: begin(params))
        trainer = trainer_of(chosen, tmp_path)
        trainer.ranker.train()
        torch.manual_seed(5)
        stirred(trainer.ranker)
        batch = Collator(task.triples, 1000, reads_pairs=params.reads_pairs)([0, 3, 5])
        trainer.current_gradient_accumulation_steps = 1
        trainer.training_step(trainer.ranker, batch)
        gradients.append({name: weight.grad for name, weight in trainer.ranker.named_parameters()})
    of_adapters = [gradient for name, gradient in gradients[0].items() if "lora" in name]
    assert len(of_adapters) == 24
    assert all(gradient is not None and gradient.any() for gradient in of_adapters)
    for name, gradient in gradients[0].items():
        if gradient is None:
            assert gradients[1][name] is None
        else:
            torch.testing.assert_close(gradients[1][name], gradient, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize(
    ("params", "family"),
    [*((params, "bert") for params in ON_TRANSFORMERS.values()), *((CatParams(layers=3), name) for name in FAMILIES)],
    ids=[*ON_TRANSFORMERS, *FAMILIES],
)
def test_the_merged_ranker_scores_as_the_one_with_adapters(
    params: RankerParams, family: str, tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    source = pretrained(saved_backbone(family, tmp_path))
    ranker, lora = begun(params, source, tokenizer), Lora(rank=4)
    before = scores_of(ranker)
    add_adapters(ranker, lora)
    assert_close(scores_of(ranker), before, 1e-6)
    stirred(ranker)
    save_file(weights_that_learn(ranker), tmp_path / "model.safetensors")
    again = merged(begun(params, source, tokenizer), lora, tmp_path)
    assert not any("lora" in name for name in again.state_dict())
    assert_close(scores_of(again), scores_of(ranker), tolerance_of(params))
    assert (scores_of(again) - before).abs().max() > 50 * tolerance_of(params)


@pytest.mark.parametrize(
    ("targets", "adapted"),
    [
        (["query"], {"0.attention.self.query", "1.attention.self.query"}),
        (["1.attention.self.query"], {"1.attention.self.query"}),
        (
            ["output.dense"],
            {f"{layer}.{part}" for layer in (0, 1) for part in ("attention.output.dense", "output.dense")},
        ),
    ],
)
def test_targets_are_ends_of_names(targets: list[str], adapted: set[str], begin: Begin) -> None:
    ranker, params = begin(POOLED), Lora(targets=targets)
    check_adapters(ranker, params)
    add_adapters(ranker, params)
    found = {name.partition(".lora_A")[0] for name, _ in ranker.named_parameters() if ".lora_A" in name}
    assert {name.removeprefix("backbone.encoder.layer.") for name in found} == adapted

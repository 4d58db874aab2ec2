"""Training small rankers on random weights: in-batch negatives, learning rates of parts, and going on."""

import dataclasses
import os
import re
import signal
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.training.conftest import Begin
from transformers import TrainingArguments

from distilrank.data.tokens import TokenStore
from distilrank.errors import WorkerError
from distilrank.losses import InfoNCE, MarginMSE, RankNet
from distilrank.rankers.base import Ranker, TokenBatch
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.params import RankerParams
from distilrank.rankers.tk.params import TkParams
from distilrank.sections.training import Training
from distilrank.training.batches import TripleDataset
from distilrank.training.processes import Processes, together
from distilrank.training.train import refuse_too_many, train
from distilrank.training.trainer import RankerTrainer, TrainingTask

TK = TkParams(architecture="tk", layers=1)
DOT = DotParams(architecture="dot", layers=1, pooling="mean")
PARAMS = Training(
    steps=6, batch_size=3, learning_rate=1e-3, part_learning_rates={"kernels": 1e-2, "embeddings": 1e-4},
    warmup_share=0.5, validate_every=2, patience=1, seed=1,
)  # fmt: skip


@pytest.fixture
def task(begin: Begin, triples: pl.DataFrame, tokens: TokenStore) -> TrainingTask:
    """TK by InfoNCE, its parts at rates of their own; every validation better than the one before."""
    better = iter(range(100))
    triples_of = dataset(triples, tokens, None)
    return TrainingTask(
        lambda: begin(TK), PARAMS, InfoNCE(temperature=0.1), triples_of, lambda *_: {"rerank": next(better) / 100}
    )


def dataset(triples: pl.DataFrame, tokens: TokenStore, scores: "np.ndarray | None") -> TripleDataset:
    return TripleDataset(tokens.triple_rows(triples), tokens.texts, scores)


def trainer_of(task: TrainingTask, work: Path) -> RankerTrainer:
    return RankerTrainer(task, TrainingArguments(output_dir=str(work), use_cpu=True, report_to="none"))


def loss_of(trainer: RankerTrainer, rows: list[int]) -> torch.Tensor:
    trainer.current_gradient_accumulation_steps = 1
    return trainer.training_step(trainer.ranker, trainer.data_collator(rows))


def ignore(*_: object) -> None:
    pass


def logged(trainer: RankerTrainer) -> dict[str, float]:
    """The figures since the last that were logged."""
    trainer.log({"loss": 0.0})
    return trainer.state.log_history[-1]


@torch.inference_mode()
def score_of_pair(ranker: Ranker, tokens: TokenStore, query: int, passage: int) -> float:
    """The score of one query and one passage, on their own."""
    pair = [torch.from_numpy(store[row].astype(np.int64)).unsqueeze(0) for store, row in
            ((tokens.queries, query), (tokens.passages, passage))]  # fmt: skip
    return float(ranker.score(*(TokenBatch(ids, torch.ones_like(ids, dtype=torch.bool)) for ids in pair)).item())


@pytest.mark.parametrize("params", [TK, DOT], ids=["tk", "dot"])
@pytest.mark.parametrize("rows", [[0], [0, 1, 2, 3, 4, 5]], ids=["batch of one", "batch"])
def test_infonce_compares_each_query_with_all_of_the_batch_but_its_own_positives(
    params: RankerParams, rows: list[int], task: TrainingTask, begin: Begin, triples: pl.DataFrame,
    tokens: TokenStore, tmp_path: Path,
) -> None:  # fmt: skip
    trainer = trainer_of(dataclasses.replace(task, begin=lambda: begin(params).eval()), tmp_path)
    batch = triples[rows]
    passages = [
        int(passage[1])
        for positive, negatives in batch.select("positive_id", "negative_ids").iter_rows()
        for passage in (positive, *negatives)
    ]
    losses, margins = [], []
    for row, (query_id, positive) in enumerate(batch.select("query_id", "positive_id").iter_rows()):
        relevant = batch.filter(pl.col("query_id") == query_id)["positive_id"]
        facing = [int(positive[1]), *(passage for passage in passages if f"p{passage}" not in relevant)]
        scores = np.array([score_of_pair(trainer.ranker, tokens, int(query_id[1]), passage) for passage in facing])
        losses.append(np.logaddexp.reduce(scores / 0.1) - scores[0] / 0.1)
        own = [score_of_pair(trainer.ranker, tokens, int(query_id[1]), passage) for passage in passages[3 * row :][:3]]
        margins.append(own[0] - np.mean(own[1:]))
    loss = loss_of(trainer, rows)
    assert loss.item() == pytest.approx(np.mean(losses), rel=1e-4, abs=1e-4)
    # A margin is over a triple's own negatives, whatever else the loss compares a positive with.
    told = logged(trainer)
    assert told["margin/student"] == pytest.approx(np.mean(margins), rel=1e-4, abs=1e-5)
    assert "margin/teacher" not in told


def test_a_loss_over_groups_compares_a_query_with_its_own_passages_alone(
    task: TrainingTask, triples: pl.DataFrame, tokens: TokenStore, tmp_path: Path
) -> None:
    scores = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    taught = dataclasses.replace(task, loss=MarginMSE(), triples=dataset(triples, tokens, scores))
    trainer = trainer_of(taught, tmp_path)
    # q1 with p0, p1, p5, and q3 with p6, p4, p2
    student = [[score_of_pair(trainer.ranker, tokens, query, passage) for passage in passages]
               for query, passages in ((1, (0, 1, 5)), (3, (6, 4, 2)))]  # fmt: skip
    wrong = np.subtract(student, scores[[1, 4]])
    loss = loss_of(trainer, [1, 4])
    assert loss.item() == pytest.approx(np.mean((wrong[:, :1] - wrong[:, 1:]) ** 2), rel=1e-4)
    told = logged(trainer)
    for whose, own in (("student", np.array(student)), ("teacher", scores[[1, 4]])):
        assert told[f"margin/{whose}"] == pytest.approx(np.mean(own[:, :1] - own[:, 1:]), rel=1e-4)


def test_each_part_learns_at_its_own_rate(task: TrainingTask, tmp_path: Path) -> None:
    """Adam's first step moves a weight by the learning rate, whatever its gradient."""
    params = PARAMS.model_copy(update={"steps": 1, "validate_every": 1, "warmup_share": 0.0, "patience": None})
    before = task.begin()
    after, _ = train(dataclasses.replace(task, params=params), tmp_path, ignore)
    moved = {
        name: float((weight - before.get_parameter(name)).detach().abs().max())
        for name, weight in after.named_parameters()
    }
    expected = {"kernel_log_scale": 1e-2, "head.weight": 1e-2, "embeddings.weight": 1e-4}
    for name, distance in moved.items():
        assert distance == pytest.approx(expected.get(name, 1e-3), rel=0.02), name


def test_all_parts_warm_up_and_decay_alike_and_every_weight_learns_once(task: TrainingTask, tmp_path: Path) -> None:
    trainer = trainer_of(task, tmp_path)
    trainer.args.warmup_steps = 2
    trainer.create_optimizer_and_scheduler(num_training_steps=6)
    shares = []
    for _ in range(6):
        rates = [group["lr"] for group in trainer.optimizer.param_groups]
        shares.append(max(rates) / 1e-2)
        assert sorted(rates) == pytest.approx([shares[-1] * rate for rate in (1e-4, 1e-3, 1e-2)])
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
    assert shares == pytest.approx([0, 0.5, 1, 0.75, 0.5, 0.25])
    learning = [parameter for group in trainer.optimizer.param_groups for parameter in group["params"]]
    assert sorted(map(id, learning)) == sorted(map(id, trainer.ranker.parameters()))
    assert {group["weight_decay"] for group in trainer.optimizer.param_groups} == {0.0}


def test_an_interrupted_training_goes_on_to_the_same_weights(task: TrainingTask, tmp_path: Path) -> None:
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
    resumed, resumed_history = train(again, tmp_path / "halves", ignore)
    for name, weight in whole.named_parameters():
        torch.testing.assert_close(resumed.get_parameter(name), weight, atol=1e-6, rtol=1e-5)
    curves, resumed_curves = (
        [one.loss, one.margins["student"], one.grad_norm, one.padding] for one in (history, resumed_history)
    )
    np.testing.assert_allclose(resumed_curves, curves, rtol=1e-4)
    assert resumed_history.best_step == history.best_step == 6


def test_a_handful_of_triples_is_learnt(task: TrainingTask, tmp_path: Path) -> None:
    params = PARAMS.model_copy(update={"steps": 60, "validate_every": 60, "learning_rate": 1e-2})
    _, history = train(dataclasses.replace(task, params=params, loss=RankNet()), tmp_path, ignore)
    assert history.loss[-1][1] < 0.2 * history.loss[0][1]


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (1, "the same command begins anew: it had no checkpoint yet"),
        (3, "the same command goes on from the checkpoint of step 2"),
    ],
)
def test_ctrl_c_is_answered_with_how_to_go_on(
    step: int, told: str, task: TrainingTask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def press(now: int, _: object) -> None:
        if now == step:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(task, tmp_path, press)
    assert capsys.readouterr().err == f"distilrank: interrupted; {told}\n"
    train(task, tmp_path, ignore)
    assert bool(re.search(f"going on from {step - 1} of 6", capsys.readouterr().out)) == (step > 1)


@pytest.mark.parametrize(("steps", "processes", "refused"), [(1, 4, False), (2, 3, True), (2, 2, False), (1, 5, True)])
def test_each_process_has_a_triple_of_each_batch(steps: int, processes: int, refused: bool, task: TrainingTask) -> None:
    """Of six triples in batches of four, the second batch has two."""
    params = PARAMS.model_copy(update={"steps": steps, "batch_size": 4})
    asked = dataclasses.replace(task, params=params)
    with pytest.raises(WorkerError, match=f"got {processes} processes") if refused else nullcontext():
        refuse_too_many(asked, Processes(0, processes))


def test_a_gradient_too_long_for_its_precision_is_no_figure(task: TrainingTask, tmp_path: Path) -> None:
    """As a step in float16 may have, which is passed over."""
    trainer = trainer_of(task, tmp_path)
    loss_of(trainer, [0])
    trainer.log({"loss": 1.0, "grad_norm": float("inf")})
    assert "grad_norm" not in trainer.state.log_history[-1]


@pytest.mark.parametrize("limit", [1, 2])
def test_the_limit_of_stages_at_once_decides_on_the_threads_of_a_training(
    limit: int, task: TrainingTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In `dvc repro` and in the flow alike, whatever runs beside it: sums differ by the number of threads."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("DISTILRANK_STAGES_AT_ONCE", str(limit))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    seen, before = set[int](), torch.get_num_threads()

    def validate(*_: object) -> dict[str, float]:
        seen.add(torch.get_num_threads())
        return {"rerank": 0.5}

    with together(torch.device("cpu")) as among:
        train(dataclasses.replace(task, validate=validate), tmp_path, ignore, among)
    assert seen == {4 // limit}
    assert torch.get_num_threads() == before


def test_the_mean_of_re_ranking_and_searching_chooses_the_step(task: TrainingTask, tmp_path: Path) -> None:
    """Re-ranking is best at step 2, searching at step 6, their mean at step 4."""
    params = PARAMS.model_copy(update={"patience": None})
    figures = iter(
        [{"rerank": 0.9, "retrieve": 0.2}, {"rerank": 0.8, "retrieve": 0.5}, {"rerank": 0.5, "retrieve": 0.7}]
    )
    seen: dict[int, dict[str, float]] = {}
    _, history = train(
        dataclasses.replace(task, params=params, validate=lambda *_: next(figures)),
        tmp_path,
        lambda step, values: seen.setdefault(step, {}).update(values),
    )
    assert history.best_step == 4
    assert history.validation == {
        "rerank": [(2, 0.9), (4, 0.8), (6, 0.5)], "retrieve": [(2, 0.2), (4, 0.5), (6, 0.7)]
    }  # fmt: skip
    assert history.selection == [(2, pytest.approx(0.55)), (4, pytest.approx(0.65)), (6, pytest.approx(0.6))]
    assert {name: value for name, value in seen[4].items() if name.startswith("dev/")} == {
        "dev/rerank/nDCG@10": 0.8, "dev/retrieve/nDCG@10": 0.5, "dev/nDCG@10": pytest.approx(0.65)
    }  # fmt: skip


@pytest.mark.parametrize(("patience", "validations"), [(1, 3), (2, 4), (None, 6)])
def test_a_training_ends_after_as_many_validations_without_a_gain(
    patience: int | None, validations: int, task: TrainingTask, tmp_path: Path
) -> None:
    """The second of six validations is the best."""
    params = PARAMS.model_copy(update={"steps": 6, "validate_every": 1, "patience": patience})
    figures = iter([0.5, 0.7, 0.6, 0.6, 0.6, 0.6])
    once = dataclasses.replace(task, params=params, validate=lambda *_: {"rerank": next(figures)})
    _, history = train(once, tmp_path, ignore)
    assert (len(history.selection), history.best_step) == (validations, 2)

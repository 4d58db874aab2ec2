"""SPLADE's regulariser in a training: what it adds to the loss, and that vectors become sparser by it."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from tests.training.conftest import Begin
from tests.training.test_trainer import ignore, logged, loss_of, trainer_of

from distilrank.data.tokens import TokenStore
from distilrank.losses import InfoNCE, Loss, RankNet
from distilrank.rankers.base import Ranker
from distilrank.rankers.inputs import stored_batch
from distilrank.rankers.splade.params import SpladeParams
from distilrank.sections.training import Training
from distilrank.training.batches import TripleDataset
from distilrank.training.train import train
from distilrank.training.trainer import TrainingTask

PARAMS = Training(steps=4, batch_size=6, learning_rate=1e-3, warmup_share=0.0, validate_every=2, tokens_together=12)


@pytest.fixture
def task(begin: Begin, triples: pl.DataFrame, tokens: TokenStore) -> TrainingTask:
    dataset = TripleDataset(tokens.triple_rows(triples), tokens.texts, None)
    return TrainingTask(lambda: begin(splade()), PARAMS, RankNet(), dataset, lambda *_: {"rerank": 0.5})


def splade(queries: float = 0.0, passages: float = 0.0, ramp: float = 0.5) -> SpladeParams:
    return SpladeParams(layers=1, flops_queries=queries, flops_passages=passages, flops_ramp=ramp)


def vectors(ranker: Ranker, tokens: TokenStore, triples: pl.DataFrame) -> list[torch.Tensor]:
    """Of the triples' queries and passages, (texts, vocabulary), as often as they stand there."""
    queries, passages = tokens.triple_rows(triples)
    with torch.inference_mode():
        return [
            encode(stored_batch(store, rows.ravel(), tokens.special_tokens.pad)).values.squeeze(1)
            for encode, store, rows in (
                (ranker.encode_queries, tokens.queries, queries),
                (ranker.encode_passages, tokens.passages, passages),
            )
        ]


@pytest.mark.parametrize("loss", [RankNet(), InfoNCE(temperature=0.5)], ids=str)
@pytest.mark.parametrize(("step", "risen"), [(1, 0.25), (2, 1.0), (4, 1.0)])
def test_it_is_the_squared_mean_weight_of_each_entry_and_rises_quadratically(
    step: int, risen: float, loss: Loss, task: TrainingTask, begin: Begin, tokens: TokenStore, triples: pl.DataFrame,
    tmp_path: Path,
) -> None:  # fmt: skip
    """Over half of four steps. The batch has six triples, some texts of which are the same."""
    losses = []
    for params in (splade(), splade(queries=0.1, passages=0.3)):
        trainer = trainer_of(replace(task, loss=loss, begin=lambda: begin(params)), tmp_path)  # noqa: B023  # called here
        trainer.state.global_step = step - 1
        losses.append(loss_of(trainer, [*range(6)]).item())
    queries, passages = vectors(trainer.ranker, tokens, triples)
    flops = 0.1 * queries.mean(0).square().sum() + 0.3 * passages.mean(0).square().sum()
    assert losses[1] - losses[0] == pytest.approx(risen * flops.item(), rel=1e-4)
    told = logged(trainer)
    for side, texts in (("queries", queries), ("passages", passages)):
        assert told[f"entries/{side}"] == pytest.approx((texts > 0).sum(1).float().mean().item())


@pytest.mark.parametrize("loss", [RankNet(), InfoNCE(temperature=0.5)], ids=str)
def test_its_gradient_is_that_of_all_texts_at_once(
    loss: Loss, task: TrainingTask, begin: Begin, tokens: TokenStore, triples: pl.DataFrame, tmp_path: Path
) -> None:
    """Whether graphs are kept or made again, whatever is encoded together."""
    params = splade(passages=50.0, ramp=0.0)
    gradients = []
    for again in (False, True):
        trainer = trainer_of(
            replace(
                task, loss=loss, begin=lambda: begin(params), params=PARAMS.model_copy(update={"gradient_cache": again})
            ),
            tmp_path,
        )
        loss_of(trainer, [*range(6)])
        gradients.append(trainer.ranker.get_parameter("head.bias").grad)
    without = trainer_of(replace(task, loss=loss), tmp_path)
    loss_of(without, [*range(6)])
    alone = begin(params)
    rows = tokens.triple_rows(triples).passages.ravel()
    encoded = alone.encode_passages(stored_batch(tokens.passages, rows, tokens.special_tokens.pad))
    (50.0 * encoded.values.squeeze(1).mean(0).square().sum()).backward()
    expected = without.ranker.get_parameter("head.bias").grad + alone.get_parameter("head.bias").grad
    for gradient in gradients:
        assert (gradient - expected).norm() <= 1e-5 * expected.norm()


def test_vectors_become_sparser_by_it(
    task: TrainingTask, begin: Begin, tokens: TokenStore, triples: pl.DataFrame, tmp_path: Path
) -> None:
    left = []
    for params in (splade(), splade(queries=0.3, passages=0.3, ramp=0.2)):
        steps = PARAMS.model_copy(update={"steps": 20, "validate_every": 20, "learning_rate": 1e-2})
        once = replace(task, begin=lambda: begin(params), params=steps)  # noqa: B023  # called here
        ranker, _ = train(once, tmp_path / str(params.penalised), ignore)
        left.append([float((side > 0).float().sum(1).mean()) for side in vectors(ranker.eval(), tokens, triples)])
    for without, penalised in zip(*left, strict=True):
        assert penalised < 0.1 * without
        assert penalised > 0

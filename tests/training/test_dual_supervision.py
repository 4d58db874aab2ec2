"""A student that learns its triples' labels and, of a frozen teacher, all pairs of its batches."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.training.conftest import Begin
from tests.training.test_trainer import ignore, loss_of, score_of_pair, trainer_of

from distilrank.data.tokens import TokenStore
from distilrank.losses import ListwiseKL, Loss, MarginMSE, MSERankNet, RankNet, WeightedRankNet
from distilrank.losses.first_phase import FirstPhase
from distilrank.rankers.base import Ranker
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.colbert.params import ColbertParams
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.params import RankerParams
from distilrank.rankers.splade.params import SpladeParams
from distilrank.sections.training import Batches, Training
from distilrank.training.batches import TripleDataset
from distilrank.training.in_batch import InBatchLesson
from distilrank.training.positives import Positives
from distilrank.training.train import train
from distilrank.training.trainer import TrainingTask

DOT = DotParams(layers=1, pooling="mean")
PARAMS = Training(steps=8, batch_size=1, learning_rate=1e-3, warmup_share=0.0, validate_every=2)
# q0 has p0 and p1 by the triples; p7, a negative of one of its triples, and p5 by qrels that no triple has.
QRELS = {0: {0, 1, 7, 5}, 1: {0}, 2: {4}, 3: {6}}
TAUGHT = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def frozen(begin: Begin, params: RankerParams, tokens: TokenStore, loss: Loss) -> InBatchLesson:
    """Of other weights than the student's."""

    def load() -> Ranker:
        teacher = begin(params).eval()
        for weight in teacher.parameters():
            weight.data.mul_(1.5)
        return teacher

    return InBatchLesson(load, tokens.texts, loss, 0.5)


@pytest.fixture
def task(begin: Begin, triples: pl.DataFrame, tokens: TokenStore) -> TrainingTask:
    pairs = [(query, passage) for query, passages in QRELS.items() for passage in passages]
    positives = Positives.of(*np.array(pairs).T)
    dataset = TripleDataset(tokens.triple_rows(triples), tokens.texts, TAUGHT, positives)
    lesson = frozen(begin, ColbertParams(layers=1, dimension=4), tokens, MarginMSE())
    vectors = np.random.default_rng(1).normal(size=(4, 8)).astype(np.float32)
    better = itertools.count()
    return TrainingTask(
        lambda: begin(DOT), PARAMS, MarginMSE(), dataset, lambda *_: {"rerank": next(better) / 100}, lesson,
        lambda rows: vectors[rows],
    )  # fmt: skip


@pytest.mark.parametrize("student", [DOT, CatParams(layers=1)], ids=["dot", "cat"])
@pytest.mark.parametrize(
    "teacher",
    [DotParams(layers=1, pooling="cls"), ColbertParams(layers=1, dimension=4), SpladeParams(layers=1)],
    ids=lambda params: params.architecture,
)
@pytest.mark.parametrize("loss", [MarginMSE(), ListwiseKL(temperature=2.0)], ids=str)
def test_each_query_faces_all_of_the_batch_but_what_is_known_to_be_relevant(
    loss: Loss, teacher: RankerParams, student: RankerParams, task: TrainingTask, begin: Begin, tokens: TokenStore,
    triples: pl.DataFrame, tmp_path: Path,
) -> None:  # fmt: skip
    lesson = frozen(begin, teacher, tokens, loss)
    trainer = trainer_of(replace(task, begin=lambda: begin(student), in_batch=lesson), tmp_path)
    rows = [0, 1, 2, 4]
    batch = tokens.triple_rows(triples[rows])
    learner, frozen_one = trainer.ranker, lesson.load()
    expected = 0.0
    for number, (query, own) in enumerate(zip(batch.queries, batch.passages, strict=True)):
        faced = [own[0], *(one for one in batch.passages.ravel() if one not in QRELS[int(query)])]
        groups = [
            torch.tensor([[score_of_pair(ranker, tokens, int(query), int(one)) for one in some]])
            for some, ranker in ((faced, learner), (faced, frozen_one), (own, learner))
        ]
        of_batch, of_triple = loss(*groups[:2]), MarginMSE()(groups[2], torch.from_numpy(TAUGHT[rows[number]])[None])
        # Margin-MSE is a mean over pairs, and a query has as many of them as it has negatives.
        share = len(faced) - 1 if loss.name == "margin-mse" else 1
        expected += 0.5 * of_batch.item() * share / _total(share, batch, loss) + of_triple.item() / len(rows)
    assert loss_of(trainer, rows).item() == pytest.approx(expected, rel=1e-4)


def _total(share: int, batch: "tuple[np.ndarray, np.ndarray]", loss: Loss) -> int:
    queries, passages = batch
    if loss.name != "margin-mse":
        return len(queries)
    return sum(one not in QRELS[int(query)] for query in queries for one in passages.ravel())


def test_the_teacher_learns_nothing_and_a_cache_changes_no_gradient(task: TrainingTask, tmp_path: Path) -> None:
    gradients = []
    for again in (False, True):
        params = task.params.model_copy(update={"gradient_cache": again, "tokens_together": 12})
        trainer = trainer_of(replace(task, params=params), tmp_path)
        before = {name: weight.clone() for name, weight in trainer._teacher.named_parameters()}
        drawn = torch.get_rng_state()
        loss_of(trainer, [0, 1, 2, 3])
        assert torch.equal(torch.get_rng_state(), drawn)
        for name, weight in trainer._teacher.named_parameters():
            assert weight.grad is None
            assert torch.equal(weight, before[name])
        gradients.append(torch.cat([one.grad.ravel() for one in trainer.ranker.parameters() if one.grad is not None]))
    assert (gradients[0] - gradients[1]).norm() <= 1e-5 * gradients[0].norm()


def test_a_known_positive_is_no_negative_of_a_loss_of_labels(
    task: TrainingTask, tokens: TokenStore, tmp_path: Path
) -> None:
    """The third triple has p7, a known positive of q0, among its negatives."""
    trainer = trainer_of(replace(task, loss=RankNet(), in_batch=None), tmp_path)
    positive, negative = (score_of_pair(trainer.ranker, tokens, 0, passage) for passage in (1, 2))
    expected = np.log1p(np.exp(negative - positive))
    assert loss_of(trainer, [2]).item() == pytest.approx(expected, rel=1e-4)


def test_nor_of_one_that_learns_labels_beside_a_teacher(task: TrainingTask, tokens: TokenStore, tmp_path: Path) -> None:
    trainer = trainer_of(replace(task, loss=MSERankNet(), in_batch=None), tmp_path)
    scores = np.array([score_of_pair(trainer.ranker, tokens, 0, passage) for passage in (1, 2)])
    assert task.triples.teacher is not None
    taught = task.triples.teacher[2][task.triples.rows.passages[2] != 7]
    expected = np.square(scores - taught).mean() + np.log1p(np.exp(scores[1] - scores[0]))
    assert loss_of(trainer, [2]).item() == pytest.approx(expected, rel=1e-4)


def test_in_a_first_phase_its_loss_learns_both_teachers(task: TrainingTask, tmp_path: Path) -> None:
    assert task.in_batch is not None
    loss = WeightedRankNet()
    phased = replace(task, first_phase=FirstPhase(share=0.5, loss=loss))
    plain = replace(task, loss=loss, in_batch=replace(task.in_batch, loss=loss))
    first, expected = (loss_of(trainer_of(one, tmp_path), [0, 1, 2, 4]).item() for one in (phased, plain))
    assert first == expected


def test_an_interrupted_training_by_topics_goes_on_in_the_middle_of_an_epoch(
    task: TrainingTask, tmp_path: Path
) -> None:
    """Four queries are an epoch: the checkpoint of step 6 is in its second one."""
    task = replace(task, params=PARAMS.model_copy(update={"batches": Batches(topics=2, margin_bins=2)}))
    whole, history = train(task, tmp_path / "whole", ignore)

    class Interruption(Exception):
        pass

    def stop(step: int, *_: object) -> None:
        if step == 7:
            raise Interruption

    with pytest.raises(Interruption):
        train(task, tmp_path / "halves", stop)
    # The topics are found once.
    resumed, resumed_history = train(replace(task, vectors=None), tmp_path / "halves", ignore)
    for name, weight in whole.named_parameters():
        torch.testing.assert_close(resumed.get_parameter(name), weight, atol=1e-6, rtol=1e-5)
    np.testing.assert_allclose(resumed_history.loss, history.loss, rtol=1e-4)

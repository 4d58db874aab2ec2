"""Trainings that one process and several do alike: a program for torchrun, which writes what came of them."""

import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from tests.conftest import ROOT
from tests.training.conftest import beginning_with, some_triples, token_store
from tests.training.test_validation import validating_with

from distilrank.config.params_file import read_params
from distilrank.data.backbone import locate_backbone
from distilrank.data.tokenizer import TextTokenizer
from distilrank.losses import InfoNCE, ListwiseKL, Loss, MarginMSE, RankNet
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.colbert.params import ColbertParams
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.params import RankerParams
from distilrank.rankers.splade.params import SpladeParams
from distilrank.rankers.tk.params import TkParams
from distilrank.scoring.pairs import score_pairs
from distilrank.sections.training import Batches, Budget, Training, Validation
from distilrank.training.batches import TripleDataset
from distilrank.training.in_batch import InBatchLesson
from distilrank.training.processes import ALONE, Processes, together
from distilrank.training.train import take_part, train
from distilrank.training.trainer import TrainingTask

DOT = DotParams(layers=2, pooling="mean")
SPLADE = SpladeParams(layers=1, flops_queries=0.1, flops_passages=0.3, flops_ramp=0.5)
KEY = ["query_id", "passage_id"]
# Of six triples in batches of four, the second batch of an epoch has two. With topics it is full.
CASES: dict[str, tuple[RankerParams, Loss, dict[str, Any]]] = {
    "dot": (DOT, MarginMSE(), {}),
    # Of which no more than the least number of steps fits, on any machine.
    "dot, a fitted scale, within a budget": (
        DOT,
        MarginMSE(scale="fitted"),
        {"steps": None, "budget": Budget(minutes=1e-6)},
    ),
    "dot, all negatives of a batch": (DOT, InfoNCE(temperature=0.1), {}),
    "dot, all negatives of a batch, with a cache": (DOT, InfoNCE(temperature=0.1), {"gradient_cache": True}),
    "cat, all negatives of a batch": (CatParams(layers=2), InfoNCE(temperature=0.1), {}),
    "colbert, accumulating": (ColbertParams(layers=2, dimension=4), InfoNCE(temperature=0.1), {"accumulate": 2}),
    "tk": (TkParams(layers=1), RankNet(), {}),
    "dot, dual supervision, by topics": (
        DOT,
        MarginMSE(),
        {"gradient_cache": True, "batches": Batches(topics=2, margin_bins=2)},
    ),
    "splade, penalised": (SPLADE, RankNet(), {}),
    "splade, penalised, all negatives of a batch": (SPLADE, InfoNCE(temperature=0.1), {}),
}
# The teachers of batches.
IN_BATCH = {"dot, dual supervision, by topics": ColbertParams(layers=1, dimension=4)}


def trained(case: str, work: Path, among: Processes = ALONE) -> dict[str, Any] | None:
    """The losses, validations and learnt margins of one training; nothing where this is not the first process."""
    tokenizer = TextTokenizer(locate_backbone(read_params(ROOT / "tests" / "params.tiny.yaml").backbone))
    ranker, loss, settings = CASES[case]
    tokens, triples = token_store(tokenizer), some_triples()
    taught = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    dataset = TripleDataset(tokens.triple_rows(triples), tokens.texts, taught if loss.needs_teacher else None)
    usual = {"steps": 4, "batch_size": 4, "learning_rate": 1e-3, "warmup_share": 0.0, "validate_every": 2}
    params = Training(**usual | settings)
    # Of one query, only one process has a share.
    validated = Validation(queries=1 if case == "dot" else 4, depth=3, passages=9)
    validate = validating_with(tokens)(validated)
    begin = beginning_with(tokenizer)
    lesson = None
    if case in IN_BATCH:
        lesson = InBatchLesson(lambda: begin(IN_BATCH[case]).eval(), tokens.texts, ListwiseKL(temperature=2.0), 0.5)
    vectors = np.random.default_rng(1).normal(size=(len(tokens.query_ids), 8)).astype(np.float32)
    task = TrainingTask(lambda: begin(ranker), params, loss, dataset, validate, lesson, lambda rows: vectors[rows])
    if not among.first:
        take_part(task, among)
        return None
    model, history = train(task, work, lambda *_: None, among)
    pairs = pl.DataFrame(list(product(tokens.query_ids, tokens.passage_ids)), schema=KEY, orient="row")
    scores = score_pairs(model.eval(), tokens, pairs).scores.reshape(len(tokens.query_ids), -1)
    # Not the weights themselves: Adam moves those as far that change no margin, by rounding alone.
    margins = (scores - scores.mean(1, keepdims=True)).tolist()
    return {"loss": history.loss, "validation": history.validation, "best": history.best_step, "margins": margins}


if __name__ == "__main__":
    with together(torch.device("cpu")) as among:
        made = {case: trained(case, Path(sys.argv[1], case), among) for case in CASES}
    if among.first:
        Path(sys.argv[1], "made.json").write_text(json.dumps(made))

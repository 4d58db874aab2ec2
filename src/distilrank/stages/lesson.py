"""A lesson: what a model learns from, and the training that it makes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.config.derived import tokens_of
from distilrank.config.models import InBatch, Student, Teacher
from distilrank.config.params import Params
from distilrank.config.starts import Source
from distilrank.data.collection import TRAIN, Collection
from distilrank.data.ragged import Rows, TripleRows
from distilrank.data.tokens import TokenStore
from distilrank.errors import CollectionError, InputError
from distilrank.labels.labels import scores_of
from distilrank.losses.base import Loss
from distilrank.losses.first_phase import FirstPhase
from distilrank.rankers.base import Ranker
from distilrank.rankers.device import chosen_device
from distilrank.rankers.loading import load_ranker
from distilrank.rankers.origin import Origin
from distilrank.retrieval.vectors import Vectors, encode_vectors
from distilrank.sections.data import Backbone
from distilrank.sections.precision import Precision
from distilrank.stages.begun import begun
from distilrank.stages.whole_backbone import whole_backbone
from distilrank.training.batches import TripleDataset
from distilrank.training.in_batch import InBatchLesson
from distilrank.training.positives import Positives
from distilrank.training.trainer import TrainingTask
from distilrank.training.validation import DevValidation

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Lesson:
    """What a model learns from: the triples of these directories, with a teacher's scores or without; the params that
    chose them; what it starts from; the splits that the triples' queries may be of; and what it also learns from a
    teacher that scores its batches, and how it begins."""

    loss: Loss
    triples: pl.DataFrame
    inputs: list[Path]
    chosen_by: Mapping[str, Any]
    start: Source
    splits: tuple[str, ...] = (TRAIN,)
    in_batch: InBatch | None = None
    first_phase: FirstPhase | None = None

    def read(self, params: Params) -> list[Path]:
        """All directories that it is made from."""
        second = self.in_batch.teacher if self.in_batch else None
        in_batch = [layout.MODELS / second, tokens_of(params, second)] if second else []
        start = [layout.MODELS / self.start.model] if self.start.model else []
        return [*self.inputs, *start, *in_batch]


def task_of(params: Params, section: Teacher | Student, lesson: Lesson, origin: Origin, store: Path) -> TrainingTask:
    """The training on a token store, after every check that could refuse it."""
    tokens = TokenStore.open(store)
    _refuse_precision(section.training.precision, chosen_device())
    candidates = pl.read_parquet(built(layout.CANDIDATES / "candidates.parquet"))
    collection = Collection.read(layout.COLLECTION)
    _refuse_other_queries(lesson, collection)
    validate = DevValidation(collection, candidates, tokens, params.validation, section.training.precision)
    scores = scores_of(lesson.triples) if "positive_score" in lesson.triples.columns else None
    rows = tokens.triple_rows(lesson.triples)
    dataset = TripleDataset(rows, tokens.texts, scores, _known_positives(rows, collection, tokens))
    begin = partial(begun, params, section, origin, store)
    in_batch = _in_batch(params, lesson.in_batch) if lesson.in_batch else None
    vectors = partial(_query_vectors, params, section.backbone or params.backbone, store)
    return TrainingTask(
        begin,
        section.training,
        lesson.loss,
        dataset,
        validate,
        in_batch,
        vectors,
        params.validation.measure,
        lesson.first_phase,
    )


def _known_positives(rows: TripleRows, collection: Collection, tokens: TokenStore) -> Positives:
    """The qrels of all training queries, and the positives of the triples, since unlabelled queries have no qrels."""
    qrels = collection.qrels_of(TRAIN).filter(pl.col("relevance") > 0)
    queries = np.concatenate([rows.queries, tokens.query_rows(qrels["query_id"])])
    return Positives.of(queries, np.concatenate([rows.passages[:, 0], tokens.passage_rows(qrels["passage_id"])]))


def _in_batch(params: Params, section: InBatch) -> InBatchLesson:
    """The teacher that scores batches reads its own tokens, in the same rows."""
    texts = TokenStore.open(tokens_of(params, section.teacher)).texts
    return InBatchLesson(partial(_scoring_batches, section.teacher), texts, section.loss, section.weight, section.scale)


def _scoring_batches(teacher: str) -> Ranker:
    """Raises InputError for a ranker that would read each query with each passage of a batch."""
    ranker = load_ranker(layout.MODELS / teacher)
    if not ranker.params.meets_in_products:
        raise InputError(
            f"in_batch.teacher {teacher}",
            got=f"a ranker of the architecture {ranker.params.architecture}",
            expected="one whose texts meet in products, such as dot or colbert",
            remedy="name another teacher there",
        )
    return ranker


def _query_vectors(params: Params, backbone: Backbone, store: Path, rows: Rows) -> Vectors:
    ranker, tokens = whole_backbone(params, backbone, store), TokenStore.open(store)
    return encode_vectors(ranker.encode_queries, tokens.queries, rows, tokens.special_tokens.pad, ranker.device)


def _refuse_precision(precision: Precision, device: "torch.device") -> None:
    """Raises InputError for bfloat16 on a card that has none, and for float16 on a processor."""
    import torch

    card = device.type == "cuda"
    if (precision == "bfloat16" and card and not torch.cuda.is_bf16_supported()) or (
        precision == "float16" and not card
    ):
        raise InputError(
            "training.precision",
            got=f"{precision}, in which {'this card' if card else 'a processor'} does not train",
            expected="a precision that it can train in",
            remedy="set precision: float32",
        )


def _refuse_other_queries(lesson: Lesson, collection: Collection) -> None:
    """Raises CollectionError for triples of dev or test queries, since a model would learn what it is tested on."""
    allowed = collection.queries.filter(pl.col("split").is_in(lesson.splits))
    others = lesson.triples.select("query_id").join(allowed, on="query_id", how="anti")
    if len(others):
        raise CollectionError(
            " and ".join(map(str, lesson.inputs)),
            got=f"{len(others):,} triples of other queries (the first: '{others['query_id'][0]}')",
            expected=f"queries of the split {' or '.join(lesson.splits)}",
            remedy="build what is out of date: dvc repro",
        )

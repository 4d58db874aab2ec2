"""The order in which a training takes its triples: at random, or by topics that are found before it begins."""

from pathlib import Path

import numpy as np

from distilrank.artifacts.files import read_json, write_json
from distilrank.training.balanced import BalancedBatches, margin_bins
from distilrank.training.topics import topics_of
from distilrank.training.trainer import TrainingTask

_TOPICS = "topics.json"


def find_topics(task: TrainingTask, work: Path) -> None:
    """Writes each query's topic beside the checkpoints, for all processes, and for a training that continues."""
    batches, file = task.params.batches, work / _TOPICS
    if batches is None or file.exists():
        return
    assert task.vectors is not None, "a task with topics has vectors of its queries"
    queries = np.unique(task.triples.rows.queries)
    write_json(file, topics_of(task.vectors(queries), batches.topics, task.params.seed).tolist())


def order_of(task: TrainingTask, work: Path) -> BalancedBatches | None:
    """The order by topics. None: at random, each triple once per epoch."""
    params, queries = task.params, task.triples.rows.queries
    if params.batches is None:
        return None
    bins = margin_bins(queries, task.triples.teacher, params.batches.margin_bins)
    return BalancedBatches(queries, np.array(read_json(work / _TOPICS)), bins, params.batch_size, params.seed)

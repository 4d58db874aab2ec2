"""Measures a packaged model as it is served, on this project's test queries."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.manifest import unchanged
from distilrank.config.derived import measures_of
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.runs import RUN_SCHEMA, found, read_trec
from distilrank.evaluation.measures import measure
from distilrank.evaluation.tasks import RERANK, RETRIEVE, is_reranking, test_set_of
from distilrank.registry.packaged import file_gates
from distilrank.results.timed_queries import MOST_PASSAGES

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

# A model that takes longer counts as hanging. A slow one takes a fifth of this time per passage.
_SECONDS, _SECONDS_PER_PASSAGE = 600, 0.1
Request = dict[str, Any]
Answer = dict[str, Any]
Ask = Callable[[str, list[Request]], list[Answer]]


class CannotBeMeasured(Exception):
    """A version's files are not those that were registered, or its model does not load or gives unsound answers."""


def measured_as_served(params: Params, model: Path, version: "ModelVersion", task: str) -> pl.DataFrame:
    """The measures of a version's packaged model at one task: (task, query_id, measure, value).

    The model re-ranks the candidates of this project's evaluation, or searches its own index. Raises CannotBeMeasured,
    MissingInput, and ScoreError.
    """
    collection = Collection.read(layout.COLLECTION)
    judged = collection.qrels_of(test_set_of(task))
    ids = judged["query_id"].unique().sort()
    queries = collection.queries.filter(pl.col("query_id").is_in(ids.implode())).sort("query_id")
    ask = partial(_answers, model, version)
    run = _reranked(params, collection, ask, queries) if is_reranking(task) else _found(params, ask, queries)
    wanted = measures_of(params, RERANK if is_reranking(task) else RETRIEVE)
    values = measure(run, judged, params.minimum_relevance(test_set_of(task)), wanted)
    return values.select(pl.lit(task).alias("task"), pl.all())


def _reranked(params: Params, collection: Collection, ask: Ask, queries: pl.DataFrame) -> pl.DataFrame:
    """The run in which the model scores the candidates that `evaluate` re-ranked."""
    first_stage = params.candidates.first_stage()
    unchanged(layout.runs_of(first_stage))
    candidates = read_trec(layout.run_of(first_stage, RERANK))
    asked = candidates.join(queries, on="query_id", how="semi").sort("query_id", maintain_order=True)
    texts = dict(collection.texts_of(asked["passage_id"].unique()).iter_rows())
    groups = [group for _, group in asked.group_by("query_id", maintain_order=True)]
    by_id = dict(queries.select("query_id", "text").iter_rows())
    requests = [
        {"query": by_id[group["query_id"][0]], "passages": [texts[one] for one in group["passage_id"]]}
        for group in groups
    ]
    said = ask(RERANK, requests)
    scores = [score for answer in said for score in answer["scores"]]
    return asked.with_columns(pl.Series("score", scores, pl.Float64))


def _found(params: Params, ask: Ask, queries: pl.DataFrame) -> pl.DataFrame:
    """The run that the model finds in its own index, whichever passages that holds."""

    def find(depth: int) -> pl.DataFrame:
        requests = [{"query": text, "top_k": min(depth, MOST_PASSAGES)} for text in queries["text"]]
        said = ask(RETRIEVE, requests)
        rows = [
            (query_id, hit["passage_id"], hit["score"])
            for query_id, answer in zip(queries["query_id"], said, strict=True)
            for hit in answer["hits"]
        ]
        return pl.DataFrame(rows, schema=RUN_SCHEMA, orient="row")

    return found(find, params.candidates.depth, params.collection.exclude_identical_ids)


def _answers(model: Path, version: "ModelVersion", task: str, requests: list[Request]) -> list[Answer]:
    """The model's answers. Raises CannotBeMeasured if its files are not whole or an answer is not sound."""
    passages = sum(len(request.get("passages", [])) for request in requests)
    gates, answered = file_gates(model, version, {task: requests}, seconds=_SECONDS + passages * _SECONDS_PER_PASSAGE)
    if refused := [gate for gate in gates if not gate.passed]:
        raise CannotBeMeasured("; ".join(f"{gate.gate}: {gate.why}" for gate in refused))
    return answered.answers[task]

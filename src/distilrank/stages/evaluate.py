"""evaluate: every ranker on the test queries, re-ranking candidates and, with an index, searching all passages."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import built, write_json
from distilrank.artifacts.manifest import digest, read_manifest
from distilrank.config.derived import (
    index_names,
    measures_of,
    model_names,
    ranker_names,
    searched_without_index,
    seeded_names,
    tokens_of,
)
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.runs import top, write_trec
from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import TokenStore
from distilrank.errors import CollectionError, MissingInput
from distilrank.evaluation.measures import means, measure
from distilrank.evaluation.tasks import RERANK, RETRIEVE, task_of
from distilrank.model import Model
from distilrank.progress import progress
from distilrank.rankers.base import Ranker
from distilrank.rankers.loading import load_ranker
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.vectors import passage_vectors
from distilrank.stages.untrained import untrained

Run = tuple[str, str, pl.DataFrame]
Metrics = dict[str, dict[str, dict[str, float]]]


def evaluate(params: Params) -> Metrics:
    """Returns what it writes to metrics.json: the mean by task and ranker of each measure that tells rankers apart.

    Raises CollectionError where there are no test queries, MissingInput, and ScoreError for a score that has no rank.
    """
    collection = Collection.read(layout.COLLECTION)
    stores = {name: tokens_of(params, name) for name in (*ranker_names(params), *seeded_names(params))}
    qrels, sets = collection.test_qrels(), collection.test_sets()
    if not sets:
        raise CollectionError(
            layout.COLLECTION, got="no test queries", expected="some", remedy="name a test set in collection.splits"
        )
    relevance = {name: params.minimum_relevance(name) for name in sets}
    every = pl.scan_parquet(built(layout.CANDIDATES / "candidates.parquet"))
    candidates = every.join(qrels.lazy(), on="query_id", how="semi").collect()
    models = [layout.MODELS / name for name in (*model_names(params), *seeded_names(params))]
    indexes = [_index_of(layout.MODELS / name) for name in index_names(params)]
    inputs = [
        layout.COLLECTION,
        *dict.fromkeys([layout.TOKENS, *stores.values()]),
        layout.CANDIDATES,
        *models,
        *indexes,
    ]
    metrics: Metrics = {}
    tables = []
    with whole_directory(layout.RUNS, "distilrank evaluate", params.evaluation.model_dump(), inputs) as draft:
        for ranker, kind, run in _runs(params, stores, qrels, candidates):
            write_trec(run, draft.path / layout.run_of(ranker, kind).name, ranker)
            for name in sets:
                task, judged = task_of(name, kind, sets), collection.qrels_of(name)
                values = measure(run.join(judged, on="query_id", how="semi"), judged, relevance[name]).filter(
                    pl.col("measure").is_in(measures_of(params, kind))
                )
                tables.append(values.select(pl.lit(ranker).alias("ranker"), pl.lit(task).alias("task"), pl.all()))
                metrics.setdefault(task, {})[ranker] = means(values)
            draft.counts[f"{ranker} {kind} passages"] = len(run)
        pl.concat(tables).write_parquet(draft.path / layout.MEASURES.name)
        draft.counts["queries"] = qrels["query_id"].n_unique()
    write_json(layout.METRICS, metrics)
    return metrics


def _runs(params: Params, stores: Mapping[str, Path], qrels: pl.DataFrame, candidates: pl.DataFrame) -> Iterator[Run]:
    """Runs by ranker and kind of task: the candidates themselves, then each ranker's, trained or not.

    `stores` has the tokens that each ranker reads.
    """
    best = top(candidates, params.evaluation.depth)
    yield params.candidates.first_stage(), RERANK, best
    yield params.candidates.first_stage(), RETRIEVE, candidates
    begun, query_ids = untrained(params), qrels["query_id"].unique().sort()
    for name, store in stores.items():
        tokens = TokenStore.open(store)
        ranker = begun[name]() if name in begun else load_ranker(layout.MODELS / name)
        model = Model(ranker, TextTokenizer(store), _index(params, name, ranker, tokens))
        with progress(f"test pairs re-ranked by {name}", len(best)) as advance:
            yield name, RERANK, model.rerank(tokens, best, advance)
        if model.index:
            depth, apart = params.candidates.depth, params.collection.exclude_identical_ids
            yield name, RETRIEVE, model.retrieve(tokens, query_ids, depth, apart)


def _index(params: Params, name: str, ranker: Ranker, tokens: TokenStore) -> DenseIndex | None:
    """What a ranker searches, if it does: its index, or exact vectors made for once."""
    if name in index_names(params):
        return DenseIndex.read(layout.INDEXES / name)
    if name in searched_without_index(params) and ranker.params.one_vector:
        return DenseIndex.build(passage_vectors(ranker, tokens.texts, name), tokens.passage_ids)
    return None


def _index_of(model: Path) -> Path:
    """The index's directory. Raises MissingInput where it is absent, or holds another model's vectors."""
    index = layout.INDEXES / model.name
    if read_manifest(index).inputs[str(model)] != digest(model):
        raise MissingInput(
            index, got="the vectors of another model", expected=f"those of {model}", remedy="build it with `dvc repro`"
        )
    return index

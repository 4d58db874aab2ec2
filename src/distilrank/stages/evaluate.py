"""evaluate: every ranker on the test queries, re-ranking candidates and, with an index, searching all passages."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from distilrank import layout
from distilrank.artifacts import built, digest, read_manifest, whole_directory, write_json
from distilrank.data.collection import Collection
from distilrank.data.runs import top, write_trec
from distilrank.data.tokens import TokenStore
from distilrank.errors import CollectionError, MissingInput
from distilrank.evaluation.measures import means, measure
from distilrank.evaluation.tasks import RERANK, RETRIEVE, task_of
from distilrank.params import Params
from distilrank.progress import progress
from distilrank.rankers.architectures import load_ranker
from distilrank.rankers.base import Ranker
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.reranking import rerank_stored
from distilrank.retrieval.vectors import Vectors, encode_vectors
from distilrank.scoring.pairs import rerank

Run = tuple[str, str, pl.DataFrame]
Metrics = dict[str, dict[str, dict[str, float]]]


def evaluate(params: Params) -> Metrics:
    """Returns what it writes to metrics.json: each measure's mean by task and ranker."""
    collection = Collection.read(layout.COLLECTION)
    tokens = TokenStore.open(layout.TOKENS)
    qrels, sets = collection.test_qrels(), collection.test_sets()
    if not sets:
        raise CollectionError(
            layout.COLLECTION, got="no test queries", expected="some", remedy="name a test set in collection.splits"
        )
    relevance = {name: params.minimum_relevance(name) for name in sets}
    every = pl.scan_parquet(built(layout.CANDIDATES / "candidates.parquet"))
    candidates = every.join(qrels.lazy(), on="query_id", how="semi").collect()
    models = [layout.MODELS / name for name in (*params.model_names(), *params.seeded_names())]
    indexes = [_index_of(layout.MODELS / name) for name in params.index_names()]
    inputs = [layout.COLLECTION, layout.TOKENS, layout.CANDIDATES, *models, *indexes]
    depths = {RERANK: params.evaluation.depth, RETRIEVE: params.candidates.depth}
    metrics: Metrics = {}
    tables = []
    with whole_directory(layout.RUNS, "distilrank evaluate", params.evaluation.model_dump(), inputs) as draft:
        for ranker, kind, run in _runs(params, tokens, qrels, candidates):
            write_trec(run, draft.path / f"{ranker}.{kind}.trec", ranker)
            for name in sets:
                task, judged = task_of(name, kind, sets), collection.qrels_of(name)
                values = measure(run.join(judged, on="query_id", how="semi"), judged, relevance[name])
                tables.append(values.select(pl.lit(ranker).alias("ranker"), pl.lit(task).alias("task"), pl.all()))
                metrics.setdefault(task, {})[ranker] = means(values, depths[kind])
            draft.counts[f"{ranker} {kind} passages"] = len(run)
        pl.concat(tables).write_parquet(draft.path / "measures.parquet")
        draft.counts["queries"] = qrels["query_id"].n_unique()
    write_json(layout.METRICS, metrics)
    return metrics


def _runs(params: Params, tokens: TokenStore, qrels: pl.DataFrame, candidates: pl.DataFrame) -> Iterator[Run]:
    """Runs by ranker and kind of task: the candidates themselves, then each model's."""
    best = top(candidates, params.evaluation.depth)
    yield params.first_stage(), RERANK, best
    yield params.first_stage(), RETRIEVE, candidates
    for name in params.model_names():
        ranker = load_ranker(layout.MODELS / name)
        if name in params.index_names():
            index = DenseIndex.read(layout.INDEXES / name)
            query_ids = qrels["query_id"].unique().sort()
            vectors = _query_vectors(ranker, tokens, query_ids)
            yield name, RERANK, rerank_stored(ranker, query_ids, vectors, index, best)
            yield name, RETRIEVE, index.search(query_ids, vectors, params.candidates.depth)
        else:
            yield name, RERANK, _reranked(name, ranker, tokens, best)
    for name in params.seeded_names():
        yield name, RERANK, _reranked(name, load_ranker(layout.MODELS / name), tokens, best)


def _reranked(name: str, ranker: Ranker, tokens: TokenStore, candidates: pl.DataFrame) -> pl.DataFrame:
    with progress(f"test pairs re-ranked by {name}", len(candidates)) as advance:
        return rerank(ranker, tokens, candidates, advance)


def _index_of(model: Path) -> Path:
    """The index's directory. Raises MissingInput where it is absent, or holds another model's vectors."""
    index = layout.INDEXES / model.name
    if read_manifest(index).inputs[str(model)] != digest(model):
        raise MissingInput(
            index, got="the vectors of another model", expected=f"those of {model}", remedy="build it with `dvc repro`"
        )
    return index


def _query_vectors(ranker: Ranker, tokens: TokenStore, query_ids: pl.Series) -> Vectors:
    rows, pad = tokens.query_rows(query_ids), tokens.special_tokens.pad
    return encode_vectors(ranker.encode_queries, tokens.queries, rows, pad, ranker.device)

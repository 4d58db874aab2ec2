"""evaluate: every ranker on the test queries, re-ranking BM25's best and, where it has an index, searching all passages."""

from collections.abc import Iterator

import polars as pl

from distilrank import layout
from distilrank.artifacts import whole_directory, write_json
from distilrank.data.collection import Collection
from distilrank.data.runs import top, write_trec
from distilrank.data.tokens import TokenStore
from distilrank.evaluation.measures import means, measure
from distilrank.params import Params
from distilrank.progress import progress
from distilrank.rankers.architectures import load_ranker
from distilrank.rankers.base import Ranker
from distilrank.rankers.device import chosen_device
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.vectors import encode_vectors
from distilrank.scoring.pairs import rerank

BM25 = "bm25"
Run = tuple[str, str, pl.DataFrame]


def evaluate(params: Params) -> None:
    collection = Collection.read(layout.COLLECTION)
    tokens = TokenStore.open(layout.TOKENS)
    qrels = collection.qrels_of("test")
    candidates = pl.read_parquet(layout.CANDIDATES / "candidates.parquet").join(qrels, on="query_id", how="semi")
    models = [layout.MODELS / name for name in params.model_names()]
    indexes = [directory for model in models if (directory := layout.INDEXES / model.name).is_dir()]
    inputs = [layout.COLLECTION, layout.TOKENS, layout.CANDIDATES, *models, *indexes]
    metrics: dict[str, dict[str, dict[str, float]]] = {}
    tables = []
    with whole_directory(layout.RUNS, "distilrank evaluate", params.evaluation.model_dump(), inputs) as draft:
        for ranker, task, run in _runs(params, tokens, qrels, candidates):
            write_trec(run, draft.path / f"{ranker}.{task}.trec", ranker)
            values = measure(run, qrels, params.evaluation.minimum_relevance)
            tables.append(values.select(pl.lit(ranker).alias("ranker"), pl.lit(task).alias("task"), pl.all()))
            metrics.setdefault(task, {})[ranker] = means(values)
            draft.counts[f"{ranker} {task} passages"] = len(run)
        pl.concat(tables).write_parquet(draft.path / "measures.parquet")
        draft.counts["queries"] = qrels["query_id"].n_unique()
    write_json(layout.METRICS, metrics)


def _runs(params: Params, tokens: TokenStore, qrels: pl.DataFrame, candidates: pl.DataFrame) -> Iterator[Run]:
    """Runs by ranker and task: BM25's own, then each model's."""
    best = top(candidates, params.evaluation.depth)
    yield BM25, "rerank", best
    yield BM25, "retrieve", candidates
    for name in params.model_names():
        ranker = load_ranker(layout.MODELS / name).to(chosen_device())
        with progress(f"test pairs re-ranked by {name}", len(best)) as advance:
            yield name, "rerank", rerank(ranker, tokens, best, advance)
        if (layout.INDEXES / name).is_dir():
            yield name, "retrieve", _search(name, ranker, tokens, qrels, params.candidates.depth)


def _search(name: str, ranker: Ranker, tokens: TokenStore, qrels: pl.DataFrame, depth: int) -> pl.DataFrame:
    query_ids = qrels["query_id"].unique().sort()
    rows, pad = tokens.query_rows(query_ids), tokens.special_tokens.pad
    vectors = encode_vectors(ranker.encode_queries, tokens.queries, rows, pad, ranker.device)
    return DenseIndex.read(layout.INDEXES / name).search(query_ids, vectors, depth)

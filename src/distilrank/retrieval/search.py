"""Answers from a dense ranker and its index: one query's, or a run of a whole split."""

from functools import partial
from pathlib import Path

import polars as pl
import torch

from distilrank.data.collection import Collection
from distilrank.data.runs import found, write_trec
from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import TokenStore
from distilrank.errors import InputError
from distilrank.rankers.inputs import text_batch
from distilrank.rankers.loading import load_ranker
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.vectors import encode_vectors, one_vector


def search(query: str, model: Path, index: Path, collection: Path, depth: int) -> pl.DataFrame:
    """The best passages (passage_id, score, title, text), best first. Raises MissingInput."""
    dense = DenseIndex.read(index)
    ranker, tokenizer = load_ranker(model), TextTokenizer(model)
    with torch.inference_mode():
        encoded = ranker.encode_queries(text_batch([query], ranker.config.query_length, tokenizer).to(ranker.device))
    run = dense.best(one_vector(encoded), depth)
    passages = Collection.read(collection).passages.join(run.lazy(), on="passage_id", how="semi").collect()
    return run.join(passages, on="passage_id", how="left", maintain_order="left")


def write_run(
    model: Path,
    index: Path,
    tokens: Path,
    queries: pl.DataFrame,
    target: Path,
    depth: int,
    exclude_identical_ids: bool = False,
) -> int:
    """Writes the best `depth` passages of each query as a TREC run, and returns the number of its lines.

    Raises MissingInput, and InputError where there are no queries, or `target` exists.
    """
    if queries.is_empty():
        raise InputError("retrieve", got="no queries", expected="a split that has some", remedy="name another --split")
    if target.exists():
        raise InputError(target, got="an existing path", expected="a new file", remedy="name another target")
    ranker, store, dense = load_ranker(model), TokenStore.open(tokens), DenseIndex.read(index)
    rows = store.query_rows(queries["query_id"])
    vectors = encode_vectors(ranker.encode_queries, store.queries, rows, store.special_tokens.pad, ranker.device)
    run = found(partial(dense.search, queries["query_id"], vectors), depth, exclude_identical_ids)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.partial")
    write_trec(run, draft, model.name)
    draft.rename(target)
    return len(run)

"""Exact search by MaxSim: every query meets every passage of a store. Memory holds one block of passages."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from distilrank.data.ragged import Rows
from distilrank.data.runs import RUN_SCHEMA
from distilrank.progress import Advance
from distilrank.rankers.base import Encoded, Ranker
from distilrank.rankers.inference import each_batch
from distilrank.retrieval.drawn import best
from distilrank.retrieval.encodings import Encodings
from distilrank.retrieval.passage_store import PassageStore
from distilrank.retrieval.vectors import Vectors

# Queries that meet a block, and passages of a block.
_QUERIES, _PASSAGES = 128, 16_384
# Products of tokens at once, per thread: what a processor's cache holds some times over.
_PRODUCTS = 1 << 22


def search_all(
    ranker: Ranker, query_ids: pl.Series, queries: Encodings, store: PassageStore, depth: int,
    advance: Advance = lambda _: None, at_once: int = _PASSAGES,
) -> pl.DataFrame:  # fmt: skip
    """A run: the `depth` best passages of each query. A passage without a vector is not found."""
    depth = min(depth, len(store))
    parts = []
    for start in range(0, len(queries), _QUERIES):
        some = np.arange(start, min(start + _QUERIES, len(queries)))
        rows, scores = _best_of_all(ranker, queries.read(some, ranker.device), store, depth, at_once)
        parts.append(as_run(query_ids.gather(some), store.passage_ids, rows, scores))
        advance(len(some))
    return pl.concat(parts) if parts else pl.DataFrame(schema=RUN_SCHEMA)


def as_run(query_ids: pl.Series, passage_ids: pl.Series, rows: Rows, scores: Vectors) -> pl.DataFrame:
    """A run of the rows (queries, depth) with these scores. Rows of -1 and scores of -inf are left out."""
    found = pl.Series(((rows >= 0) & (scores > -np.inf)).ravel())
    columns = {
        "query_id": query_ids.gather(np.repeat(np.arange(len(query_ids)), rows.shape[1])),
        "passage_id": passage_ids.gather(np.maximum(rows, 0).ravel()),
        "score": scores.ravel().astype(np.float64),
    }
    return pl.DataFrame(columns, schema=RUN_SCHEMA).filter(found)


def _best_of_all(
    ranker: Ranker, queries: Encoded, store: PassageStore, depth: int, at_once: int
) -> tuple[Rows, Vectors]:
    rows = np.full((len(queries.mask), 0), -1, np.int64)
    scores = np.empty(rows.shape, np.float32)
    for start, block in _blocks(ranker, queries, store, at_once):
        own = np.broadcast_to(np.arange(start, start + block.shape[1]), block.shape)
        rows, scores = best(np.hstack([rows, own]), np.hstack([scores, block]), depth)
    return rows, scores


def _blocks(ranker: Ranker, queries: Encoded, store: PassageStore, at_once: int) -> Iterator[tuple[int, Vectors]]:
    """The scores (queries, passages) of each block, and the block's first row."""
    budget = max(600, _PRODUCTS // queries.mask.numel())
    for start in range(0, len(store), at_once):
        block = store[start : start + at_once]

        def met(batch: Rows, block: Encodings = block) -> Vectors:
            met: Vectors = ranker.interact_all(queries, block.read(batch, ranker.device)).cpu().numpy()
            return met

        scores = np.empty((len(queries.mask), len(block)), np.float32)
        for batch, some in each_batch(block.lengths(np.arange(len(block))), met, ranker.device, budget):
            scores[:, batch] = some
        yield start, scores

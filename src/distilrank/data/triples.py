"""Training triples: a query, a passage that is relevant, and one that BM25 ranks high though it is not."""

import numpy as np
import polars as pl

from distilrank.errors import CollectionError
from distilrank.params import Triples

TRIPLE = ["query_id", "positive_id", "negative_id"]


def sample_triples(qrels: pl.DataFrame, candidates: pl.DataFrame, params: Triples) -> pl.DataFrame:
    """Triples (query_id, positive_id, negative_id) in random order, each pair of positive and negative at most once.

    Positives are all pairs of the qrels with a relevance above 0, negatives the best `negatives_from` candidates
    that are not relevant. Raises CollectionError where there are fewer than `count`.
    """
    positives = qrels.filter(pl.col("relevance") > 0).select("query_id", positive_id="passage_id")
    negatives = (
        candidates.filter(pl.col("rank") <= params.negatives_from)
        .join(positives, left_on=["query_id", "passage_id"], right_on=["query_id", "positive_id"], how="anti")
        .select("query_id", negative_id="passage_id")
    )
    every = positives.join(negatives, on="query_id").sort(TRIPLE)
    if len(every) < params.count:
        raise CollectionError(
            "params.yaml: triples.count",
            got=params.count,
            expected=f"at most {len(every)}, all there are",
            remedy="ask for fewer, or raise triples.negatives_from and candidates.depth",
        )
    chosen = np.random.default_rng(params.seed).choice(len(every), params.count, replace=False)
    return every[chosen]

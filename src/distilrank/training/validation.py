"""Validation while training: nDCG@10 of re-ranking BM25's best for a sample of the dev queries."""

import numpy as np
import polars as pl

from distilrank.data.collection import Collection
from distilrank.data.tokens import TokenStore
from distilrank.evaluation.measures import means, measure
from distilrank.rankers.base import Ranker
from distilrank.scoring.pairs import rerank
from distilrank.sections import Validation


class DevReranking:
    """Called with a ranker, gives its mean nDCG@10 on the sample."""

    def __init__(
        self, collection: Collection, candidates: pl.DataFrame, tokens: TokenStore, params: Validation
    ) -> None:
        dev = collection.queries_of("dev").select("query_id")
        # The same sample for every model, whatever its seed, so that their curves can be compared.
        chosen = np.random.default_rng(0).choice(len(dev), min(params.queries, len(dev)), replace=False)
        sample = dev[np.sort(chosen)]
        self._tokens = tokens
        self._qrels = collection.qrels_of("dev").join(sample, on="query_id", how="semi")
        best = candidates.filter(pl.col("rank") <= params.depth)
        self._candidates = best.join(sample, on="query_id", how="semi")

    def __call__(self, ranker: Ranker) -> float:
        return means(measure(rerank(ranker, self._tokens, self._candidates), self._qrels))["nDCG@10"]

"""Validation while training: nDCG@10 of re-ranking the best candidates for a sample of the dev queries."""

import numpy as np
import polars as pl

from distilrank.data.collection import DEV, Collection
from distilrank.data.tokens import TokenStore
from distilrank.errors import CollectionError
from distilrank.evaluation.measures import means, measure
from distilrank.rankers.base import Ranker
from distilrank.scoring.pairs import rerank
from distilrank.sections import Validation


class DevReranking:
    """Called with a ranker, gives its mean nDCG@10 on the sample."""

    def __init__(
        self, collection: Collection, candidates: pl.DataFrame, tokens: TokenStore, params: Validation
    ) -> None:
        dev = collection.queries_of(DEV).select("query_id")
        if dev.is_empty():
            raise CollectionError(
                "the collection",
                got="no dev queries",
                expected="some, to validate on while training",
                remedy="set collection.dev_share to take some of the training queries",
            )
        # The same sample for every model, whatever its seed, so that their curves can be compared.
        chosen = np.random.default_rng(0).choice(len(dev), min(params.queries, len(dev)), replace=False)
        sample = dev[np.sort(chosen)]
        self._tokens = tokens
        self._qrels = collection.qrels_of(DEV).join(sample, on="query_id", how="semi")
        best = candidates.filter(pl.col("rank") <= params.depth)
        self._candidates = best.join(sample, on="query_id", how="semi")

    def __call__(self, ranker: Ranker) -> float:
        return means(measure(rerank(ranker, self._tokens, self._candidates), self._qrels))["nDCG@10"]

"""Validation while training: nDCG@10 on dev queries, by re-ranking and, if the ranker is dense, by searching."""

import numpy as np
import polars as pl

from distilrank.data.collection import DEV, Collection
from distilrank.data.ragged import Rows
from distilrank.data.tokens import TokenStore
from distilrank.errors import CollectionError
from distilrank.evaluation.measures import means, measure
from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.rankers.base import Ranker
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.vectors import encode_vectors
from distilrank.scoring.pairs import rerank
from distilrank.sections.training import Validation

# nDCG@10 looks no further.
_DEPTH_OF_SEARCH = 10


class DevValidation:
    """Called with a ranker, gives its mean nDCG@10 on the sample by kind of task: {"rerank": .7, "retrieve": .6}.

    Only a dense ranker searches: one that encodes each text as one vector. The samples are the same for every model,
    whatever its seed, so that their curves can be compared.
    """

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
        sample = dev[_draw(len(dev), params.queries)]
        self._tokens = tokens
        self._query_ids = sample["query_id"]
        self._qrels = collection.qrels_of(DEV).join(sample, on="query_id", how="semi")
        best = candidates.filter(pl.col("rank") <= params.depth)
        self._candidates = best.join(sample, on="query_id", how="semi")
        self._passage_ids = self._passages_to_search(params.passages) if params.passages else None

    def __call__(self, ranker: Ranker) -> dict[str, float]:
        figures = {RERANK: self._ndcg(rerank(ranker, self._tokens, self._candidates))}
        if self._passage_ids is not None and ranker.params.one_vector:
            figures[RETRIEVE] = self._ndcg(self._search(ranker, self._passage_ids))
        return figures

    def _passages_to_search(self, drawn: int) -> pl.Series:
        relevant = self._qrels.filter(pl.col("relevance") > 0)["passage_id"]
        every = self._tokens.passage_ids
        return pl.concat([relevant, every.gather(_draw(len(every), drawn))]).unique().sort()

    def _search(self, ranker: Ranker, passage_ids: pl.Series) -> pl.DataFrame:
        store, pad, device = self._tokens, self._tokens.special_tokens.pad, ranker.device
        rows, query_rows = store.passage_rows(passage_ids), store.query_rows(self._query_ids)
        passages = encode_vectors(ranker.encode_passages, store.passages, rows, pad, device)
        queries = encode_vectors(ranker.encode_queries, store.queries, query_rows, pad, device)
        return DenseIndex.build(passages, passage_ids).search(self._query_ids, queries, _DEPTH_OF_SEARCH)

    def _ndcg(self, run: pl.DataFrame) -> float:
        return means(measure(run, self._qrels))["nDCG@10"]


def _draw(available: int, wanted: int) -> Rows:
    """Positions, ascending; always the same."""
    return np.sort(np.random.default_rng(0).choice(available, min(wanted, available), replace=False))

"""Validation while training: nDCG@10 on dev queries, by re-ranking and, if the ranker is dense, by searching."""

import numpy as np
import polars as pl
import torch

from distilrank.data.collection import DEV, Collection
from distilrank.data.ragged import Rows
from distilrank.data.tokens import TokenStore
from distilrank.errors import CollectionError
from distilrank.evaluation.measures import measure
from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.rankers.base import Encoded, Ranker, TokenBatch
from distilrank.rankers.precision import autocast
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.vectors import Encode, encode_vectors
from distilrank.scoring.pairs import rerank
from distilrank.sections.training import Precision, Validation
from distilrank.training.processes import ALONE, Processes

# nDCG@10 looks no further.
_DEPTH_OF_SEARCH = 10


class DevValidation:
    """Called with a ranker, gives its mean nDCG@10 on the sample by kind of task: {"rerank": .7, "retrieve": .6}.

    Only a dense ranker searches: one that encodes each text as one vector. The samples are the same for every model,
    whatever its seed, so that their curves can be compared. It computes in the training's precision. Each of several
    processes takes a share of the queries, and of the passages to encode.
    """

    def __init__(
        self,
        collection: Collection,
        candidates: pl.DataFrame,
        tokens: TokenStore,
        params: Validation,
        precision: Precision = "float32",
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
        self._tokens, self._precision = tokens, precision
        self._query_ids = sample["query_id"]
        self._qrels = collection.qrels_of(DEV).join(sample, on="query_id", how="semi")
        best = candidates.filter(pl.col("rank") <= params.depth)
        self._candidates = best.join(sample, on="query_id", how="semi")
        self._passage_ids = self._passages_to_search(params.passages) if params.passages else None

    def __call__(self, ranker: Ranker, among: Processes = ALONE) -> dict[str, float]:
        queries = self._query_ids.gather_every(among.count, among.rank)
        candidates = self._candidates.filter(pl.col("query_id").is_in(queries.implode()))
        figures = {RERANK: self._ndcg(rerank(ranker, self._tokens, candidates, self._precision), queries, among)}
        if self._passage_ids is not None and ranker.params.one_vector:
            found = self._search(ranker, self._passage_ids, queries, among)
            figures[RETRIEVE] = self._ndcg(found, queries, among)
        return figures

    def _passages_to_search(self, drawn: int) -> pl.Series:
        relevant = self._qrels.filter(pl.col("relevance") > 0)["passage_id"]
        every = self._tokens.passage_ids
        return pl.concat([relevant, every.gather(_draw(len(every), drawn))]).unique().sort()

    def _search(self, ranker: Ranker, passage_ids: pl.Series, queries: pl.Series, among: Processes) -> pl.DataFrame:
        store, pad, device = self._tokens, self._tokens.special_tokens.pad, ranker.device
        mine = np.arange(among.rank, len(passage_ids), among.count)
        rows, query_rows = store.passage_rows(passage_ids.gather(mine)), store.query_rows(queries)
        passages, query_vectors = (
            encode_vectors(self._precise(encode), texts, rows, pad, device)
            for encode, texts, rows in (
                (ranker.encode_passages, store.passages, rows),
                (ranker.encode_queries, store.queries, query_rows),
            )
        )
        every = among.whole(torch.from_numpy(passages), torch.from_numpy(mine), len(passage_ids)).numpy()
        return DenseIndex.build(every, passage_ids).search(queries, query_vectors, _DEPTH_OF_SEARCH)

    def _precise(self, encode: Encode) -> Encode:
        def encoded(batch: TokenBatch) -> Encoded:
            with autocast(self._precision, batch.ids.device):
                return encode(batch)

        return encoded

    def _ndcg(self, run: pl.DataFrame, queries: pl.Series, among: Processes) -> float:
        """The mean over the queries of all processes that have qrels."""
        qrels = self._qrels.filter(pl.col("query_id").is_in(queries.implode()))
        values = measure(run, qrels).filter(pl.col("measure") == "nDCG@10")["value"]
        return among.mean(float(values.sum()), len(values))


def _draw(available: int, wanted: int) -> Rows:
    """Positions, ascending; always the same."""
    return np.sort(np.random.default_rng(0).choice(available, min(wanted, available), replace=False))

"""Validation during training: a measure on dev queries, by re-ranking, and for a dense ranker also by searching."""

import numpy as np
import polars as pl
import torch

from distilrank.data.collection import DEV, Collection
from distilrank.data.dev_sample import dev_sample, drawn
from distilrank.data.ragged import RaggedIds, Rows
from distilrank.data.tokens import TokenStore
from distilrank.evaluation.measures import measure
from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.rankers.base import Ranker
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.reranking import rerank_stored
from distilrank.retrieval.vectors import Encode, Vectors, encode_vectors
from distilrank.scoring.pairs import rerank
from distilrank.sections.measures import cutoff_of
from distilrank.sections.precision import Precision
from distilrank.sections.training import Validation
from distilrank.training.processes import ALONE, Processes


class DevValidation:
    """Gives a ranker's mean `measure` on the sample by kind of task: {"rerank": .7, "retrieve": .6}.

    Only a dense ranker searches, which encodes each text as one vector. The samples are the same for every model,
    whatever its seed, so that curves can be compared. It computes in the training's precision. Each of several
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
        sample = dev_sample(collection, params.queries)
        self._tokens, self._precision = tokens, precision
        self._measure, self._depth_of_search = params.measure, cutoff_of(params.measure, params.depth)
        self._query_ids = sample["query_id"]
        self._qrels = collection.qrels_of(DEV).join(sample, on="query_id", how="semi")
        best = candidates.filter(pl.col("rank") <= params.depth)
        self._candidates = best.join(sample, on="query_id", how="semi")
        self._searched = self._passages_to_search(params.passages) if params.passages else None

    def __call__(self, ranker: Ranker, among: Processes = ALONE) -> dict[str, float]:
        queries = self._query_ids.gather_every(among.count, among.rank)
        candidates = self._candidates.filter(pl.col("query_id").is_in(queries.implode()))
        if ranker.params.one_vector:
            runs = self._by_vectors(ranker, queries, candidates, among)
        else:
            runs = {RERANK: rerank(ranker, self._tokens, candidates, self._precision)}
        return {kind: self._effectiveness(run, queries, among) for kind, run in runs.items()}

    def _passages_to_search(self, wanted: int) -> pl.Series:
        relevant = self._qrels.filter(pl.col("relevance") > 0)["passage_id"]
        every = self._tokens.passage_ids
        return pl.concat([relevant, every.gather(drawn(len(every), wanted))]).unique().sort()

    def _by_vectors(
        self, ranker: Ranker, queries: pl.Series, candidates: pl.DataFrame, among: Processes
    ) -> dict[str, pl.DataFrame]:
        """Encodes each passage once, for both tasks."""
        store = self._tokens
        sought = [] if self._searched is None else [self._searched]
        every = pl.concat([self._candidates["passage_id"], *sought]).unique().sort()
        mine = np.arange(among.rank, len(every), among.count)
        own = self._vectors(ranker, ranker.encode_passages, store.passages, store.passage_rows(every.gather(mine)))
        vectors = among.whole(torch.from_numpy(own), torch.from_numpy(mine), len(every)).numpy()
        of_queries = self._vectors(ranker, ranker.encode_queries, store.queries, store.query_rows(queries))
        of_queries = of_queries.reshape(len(queries), vectors.shape[1])  # also if there are no queries
        stored = DenseIndex.build(vectors, every)
        runs = {RERANK: rerank_stored(ranker, queries, of_queries, stored.store, candidates)}
        if self._searched is not None:
            searched = DenseIndex.build(stored.vectors(self._searched), self._searched)
            runs[RETRIEVE] = searched.search(queries, of_queries, self._depth_of_search)
        return runs

    def _vectors(self, ranker: Ranker, encode: Encode, texts: RaggedIds, rows: Rows) -> Vectors:
        pad = self._tokens.special_tokens.pad
        return encode_vectors(encode, texts, rows, pad, ranker.device, precision=self._precision)

    def _effectiveness(self, run: pl.DataFrame, queries: pl.Series, among: Processes) -> float:
        """The mean over those queries of all processes that have qrels."""
        qrels = self._qrels.filter(pl.col("query_id").is_in(queries.implode()))
        values = measure(run, qrels, measures=[self._measure])["value"]
        return among.mean(float(values.sum()), len(values))

"""candidates: BM25's best passages for every query, and BM25's own run on the test queries."""

import polars as pl

from distilrank import layout
from distilrank.artifacts import whole_directory
from distilrank.data.collection import Collection
from distilrank.data.runs import ranked, write_trec
from distilrank.evaluation.tasks import BM25 as BM25_NAME
from distilrank.params import Params
from distilrank.retrieval.bm25 import BM25


def candidates(params: Params) -> None:
    section = params.candidates
    collection = Collection.read(layout.COLLECTION)
    bm25 = BM25(collection.passages["passage_id"], collection.passage_texts(), section)
    queries = collection.queries
    run = ranked(bm25.search(queries["query_id"].to_list(), queries["text"].to_list(), section.depth))
    test = run.join(collection.queries_of("test"), on="query_id", how="semi")
    with whole_directory(
        layout.CANDIDATES, "distilrank candidates", section.model_dump(), [layout.COLLECTION]
    ) as draft:
        run.write_parquet(draft.path / "candidates.parquet")
        write_trec(test, draft.path / f"{BM25_NAME}.test.trec", BM25_NAME)
        draft.counts |= {
            "queries": len(queries),
            "candidates": len(run),
            "queries without any": _left_out(run, queries),
        }


def _left_out(run: pl.DataFrame, queries: pl.DataFrame) -> int:
    return len(queries.join(run, on="query_id", how="anti"))

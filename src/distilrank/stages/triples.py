"""triples: training triples from the train qrels and BM25's candidates."""

import polars as pl

from distilrank import layout
from distilrank.artifacts import built, whole_directory
from distilrank.data.collection import Collection
from distilrank.data.triples import sample_triples
from distilrank.params import Params


def triples(params: Params) -> None:
    section = params.triples
    qrels = Collection.read(layout.COLLECTION).qrels_of("train")
    candidates = pl.read_parquet(built(layout.CANDIDATES / "candidates.parquet"))
    sampled = sample_triples(qrels, candidates, section)
    inputs = [layout.COLLECTION, layout.CANDIDATES]
    with whole_directory(layout.TRIPLES, "distilrank triples", section.model_dump(), inputs) as draft:
        sampled.write_parquet(draft.path / "triples.parquet")
        draft.counts |= {"triples": len(sampled), "queries": sampled["query_id"].n_unique()}

"""candidates: the passages that rankers re-rank for each query: BM25's best, or those of given runs."""

from collections.abc import Iterator
from functools import partial

import polars as pl

from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.layout import OWN, places_of
from distilrank.config.derived import MeasuredOn, measured_on
from distilrank.config.params import Params
from distilrank.data.collection import TRAIN, UNLABELLED, Collection
from distilrank.data.given_runs import given_candidates
from distilrank.data.run_tables import write_ranked
from distilrank.data.runs import found, ranked, write_trec
from distilrank.progress import progress
from distilrank.retrieval.bm25 import BM25

_QUERIES_AT_ONCE = 1_000


def candidates(params: Params, evaluation: str = OWN) -> None:
    """Writes the candidates of the collection that models learn from, or of another that they are measured on."""
    on, places, is_other = measured_on(params, evaluation), places_of(evaluation), evaluation != OWN
    section, collection = on.candidates, Collection.read(places.collection)
    used, made_by = section.model_dump(), "distilrank candidates"
    if is_other:
        made_by = f"{made_by} {evaluation}"
    else:
        used |= {"unlabelled": params.unlabelled and params.unlabelled.depth}
    with whole_directory(places.candidates, made_by, used, [places.collection]) as draft:
        file = draft.path / "candidates.parquet"
        queries = _with_depths(collection.queries, params, section.depth)
        drop, apart = on.collection.on_error == "drop", on.collection.exclude_identical_ids
        given, counts = given_candidates(section.runs, collection, drop, apart)
        write_ranked(ranked_candidates(on, collection, queries, given), file)
        every = pl.scan_parquet(file)
        test = every.join(collection.test_qrels().lazy(), on="query_id", how="semi").collect()
        write_trec(test, draft.path / f"{section.first_stage()}.test.trec", section.first_stage())
        without = queries.lazy().join(every, on="query_id", how="anti").select(pl.len())
        draft.counts |= {
            "queries": len(queries),
            "candidates": every.select(pl.len()).collect().item(),
            "queries without any": without.collect().item(),
            **counts,
        }


def _with_depths(queries: pl.DataFrame, params: Params, usual: int) -> pl.DataFrame:
    """The queries that need candidates, and how many each needs: `depth`."""
    depths = {TRAIN: params.candidates.train_depth, UNLABELLED: params.unlabelled.depth if params.unlabelled else 0}
    depth = pl.col("split").replace_strict(depths, default=usual, return_dtype=pl.Int64)
    return queries.with_columns(depth=depth).filter(pl.col("depth") > 0)


def ranked_candidates(
    on: MeasuredOn, collection: Collection, queries: pl.DataFrame, given: pl.DataFrame
) -> Iterator[pl.DataFrame]:
    """Candidates (query_id, passage_id, score, rank) of many queries at a time, those of given runs first. The column
    `depth` tells how many each query needs."""
    depths = queries.select("query_id", "depth")
    yield (
        ranked(given)
        .join(depths, on="query_id", maintain_order="left")
        .filter(pl.col("rank") <= pl.col("depth"))
        .drop("depth")
    )
    rest = queries.join(given, on="query_id", how="anti")
    if rest.is_empty():
        return
    bm25 = BM25(collection.passage_ids(), collection.passage_texts(), on.candidates)
    with progress("queries searched by BM25", len(rest)) as advance:
        for (depth,), some in rest.group_by("depth", maintain_order=True):
            for batch in some.iter_slices(_QUERIES_AT_ONCE):
                search = partial(bm25.search, batch["query_id"].to_list(), batch["text"].to_list())
                yield ranked(found(search, depth, on.collection.exclude_identical_ids))
                advance(len(batch))

"""What triples and mine share: the candidates of queries without qrels, for teachers to score."""

from pathlib import Path

import polars as pl

from distilrank.data.collection import UNLABELLED, Collection
from distilrank.errors import CollectionError


def write_unlabelled(file: Path, collection: Collection, candidates: pl.LazyFrame) -> dict[str, int]:
    """Writes them in the form of triples, the best and the others, and returns of how many queries they are.

    Raises CollectionError if there are none.
    """
    queries = collection.queries_of(UNLABELLED).lazy()
    ordered = candidates.join(queries, on="query_id", how="semi").sort("query_id", "rank")
    passages = pl.col("passage_id")
    found = ordered.group_by("query_id", maintain_order=True).agg(
        positive_id=passages.first(), negative_ids=passages.slice(1)
    )
    several = found.filter(pl.col("negative_ids").list.len() > 0).collect()
    if several.is_empty():
        raise CollectionError(
            "params.yaml: unlabelled",
            got="no query without qrels that has two candidates",
            expected="some",
            remedy="name their file as collection.unlabelled, or set unlabelled to null",
        )
    several.write_parquet(file)
    return {"unlabelled queries": len(several)}

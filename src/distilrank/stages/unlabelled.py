"""What triples and mine share: the candidates of unlabelled queries, for teachers to score, and clicks on some of
them."""

from pathlib import Path
from typing import Any

import polars as pl

from distilrank.data.clicks import read_clicks
from distilrank.data.collection import UNLABELLED, Collection
from distilrank.data.triples import CLICKS
from distilrank.data.triples import UNLABELLED as FILE
from distilrank.errors import CollectionError
from distilrank.sections.base import FileElsewhere
from distilrank.sections.data import Unlabelled

# Behind the last candidate.
_LAST = 1 << 30


def unlabelled_used(section: Unlabelled | None) -> dict[str, Any]:
    """What the manifest of triples tells of them."""
    return {"unlabelled": section.model_dump()} if section else {}


def write_unlabelled(
    directory: Path, collection: Collection, candidates: pl.LazyFrame, clicks: FileElsewhere | None
) -> dict[str, int]:
    """Writes candidates in the form of triples, the best one and the others, and returns the number of their queries.

    Clicked passages are among them, whether they were found or not. A table beside them lists the clicks, and they are
    counted. Raises CollectionError if there are no such queries, and as `read_clicks` does.
    """
    queries = collection.queries_of(UNLABELLED).lazy()
    found = candidates.join(queries, on="query_id", how="semi").select("query_id", "passage_id", "rank").collect()
    counts: dict[str, int] = {}
    if clicks:
        clicked, counts = read_clicks(clicks, collection)
        clicked.write_parquet(directory / CLICKS)
        print(f"unlabelled: {', '.join(f'{number:,} {what}' for what, number in counts.items())}", flush=True)
        missed = clicked.join(found, on=["query_id", "passage_id"], how="anti")
        found = pl.concat([found, missed.with_columns(rank=pl.lit(_LAST, found["rank"].dtype))])
    passages = pl.col("passage_id")
    grouped = found.sort("query_id", "rank", "passage_id").group_by("query_id", maintain_order=True)
    several = grouped.agg(positive_id=passages.first(), negative_ids=passages.slice(1)).filter(
        pl.col("negative_ids").list.len() > 0
    )
    if several.is_empty():
        raise CollectionError(
            "params.yaml: unlabelled",
            got="no unlabelled query with two candidates",
            expected="one at least, because this section is set",
            remedy="add queries to collection.unlabelled, or set `unlabelled: null`",
        )
    several.write_parquet(directory / FILE)
    return {"unlabelled queries": len(several), **counts}

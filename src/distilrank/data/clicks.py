"""Clicks of users on passages, for queries that nobody labelled: weak positives."""

from collections import Counter

import polars as pl

from distilrank.data.collection import UNLABELLED, Collection
from distilrank.data.files import text_of
from distilrank.data.tables import read_qrels
from distilrank.data.tokens import find
from distilrank.errors import CollectionError
from distilrank.sections.base import FileElsewhere


def read_clicks(section: FileElsewhere, collection: Collection) -> tuple[pl.DataFrame, dict[str, int]]:
    """Clicked pairs (query_id, passage_id) of unlabelled queries, each once, and how many were given and left out.

    The file has the form of qrels. A relevance above 0 is a click. Raises CollectionError if no pair is left, and
    what reading a file raises.
    """
    given = read_qrels(text_of(section.location, section.checksum, section.mirrors), UNLABELLED)
    pairs = given.filter(pl.col("relevance") > 0).select("query_id", "passage_id").unique(maintain_order=True)
    counts = Counter({"clicks": len(pairs)})
    known = pairs.join(collection.queries, on="query_id", how="left", maintain_order="left")
    for split, number in known["split"].value_counts().sort("split").iter_rows():
        if split != UNLABELLED:
            counts[f"clicks of {split or 'unknown'} queries, left out"] += number
    own = known.filter(pl.col("split") == UNLABELLED).select("query_id", "passage_id")
    strange = find(own["passage_id"], collection.passage_ids())[1]
    counts["clicks of unknown passages, left out"] = int(strange.sum())
    clicks = own.filter(~strange)
    if clicks.is_empty():
        raise CollectionError(
            section.location,
            got=f"{len(pairs):,} clicks, none of an unlabelled query on a passage of the collection",
            expected="clicks of unlabelled queries on its passages",
            remedy="name the file that goes with collection.unlabelled, or set unlabelled.clicks to null",
        )
    return clicks, dict(counts)

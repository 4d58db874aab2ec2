"""A log of queries that nobody labelled: what users clicked takes the place of labels."""

import polars as pl

from distilrank.data.collection import TRAIN, UNLABELLED
from distilrank.data.lots import lot_of, normal

CLICKED = "clicked"  # the test set of the held-out queries with clicks


def clicked_pairs(clicks: pl.DataFrame) -> pl.DataFrame:
    """(query_id, passage_id, relevance) of the pairs with a relevance above 0, each once, however often it was
    clicked."""
    pairs = clicks.filter(pl.col("relevance") > 0).select("query_id", "passage_id").unique(maintain_order=True)
    return pairs.with_columns(relevance=pl.lit(1, pl.Int64))


def split_by_clicks(queries: pl.DataFrame, pairs: pl.DataFrame, test_share: float | None) -> pl.DataFrame:
    """(query_id, text, split) of a log. A query of the `pairs` is in train or, by the lot of its text, in `clicked`.

    Others are unlabelled. But a query without clicks has no split if another of the same text has clicks: it could ask
    what a test query asks.
    """
    has_clicks = pl.col("query_id").is_in(pairs["query_id"].unique().implode())
    known = queries.with_columns(has_clicks=has_clicks, same=normal(pl.col("text")))
    texts = known.filter("has_clicks")["same"].unique()
    is_test = pl.col("same").map_elements(_lot, pl.Float64) < (test_share or 0.0)
    split = (
        pl.when("has_clicks")
        .then(pl.when(is_test).then(pl.lit(CLICKED)).otherwise(pl.lit(TRAIN)))
        .when(~pl.col("same").is_in(texts.implode()))
        .then(pl.lit(UNLABELLED))
    )
    return known.select("query_id", "text", split=split)


def _lot(text: str) -> float:
    # Another one than that which moves queries from train to dev.
    return lot_of(f"{CLICKED} {text}")

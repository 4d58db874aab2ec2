"""Training triples: a query, a passage that is relevant, and some that rank high though they are not."""

import numpy as np
import polars as pl

from distilrank.errors import CollectionError
from distilrank.sections.data import Draw

# In the directory of triples: they, and the candidates of unlabelled queries in their form.
TRIPLES, UNLABELLED = "triples.parquet", "unlabelled.parquet"


def sample_triples(
    qrels: pl.DataFrame, candidates: pl.DataFrame, draw: Draw, count: int | None, entry: str
) -> pl.DataFrame:
    """Triples (query_id, positive_id, negative_ids) in random order, each pair of positive and negative at most once.

    Positives are all pairs of the qrels with a relevance above 0; negatives, as many a row as `draw` says, are
    among the best `negatives_from` candidates that are not relevant. With a larger `count` come the same triples, and
    more; None: all. Raises CollectionError where there are fewer than `count`, which `entry` of the params asks for.
    """
    positives = qrels.filter(pl.col("relevance") > 0).select("query_id", positive_id="passage_id")
    if positives.is_empty():
        raise CollectionError(
            "the collection",
            got="no training query with a relevant passage",
            expected="some to draw triples from",
            remedy="name training queries in collection.splits, or give triples",
        )
    groups = _groups(positives, candidates, draw)
    of_query = groups.group_by("query_id").agg(first=pl.col("row").min(), groups=pl.len())
    positives = positives.join(of_query, on="query_id").sort("query_id", "positive_id")
    ends = positives["groups"].to_numpy().cumsum(dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    if total < (count or 1):
        raise CollectionError(
            f"params.yaml: {entry}.count",
            got=count or "null",
            expected=f"at most {total}, all there are",
            remedy="ask for fewer, or raise its negatives_from (of drawn triples also candidates.train_depth)",
        )
    # A triple is the number of its positive, and that of a group of the query's negatives.
    numbers = np.random.default_rng(draw.seed).permutation(total)[:count]
    rows = np.searchsorted(ends, numbers, side="right")
    group = positives["first"].to_numpy()[rows] + ends[rows] - 1 - numbers
    return positives[rows].select("query_id", "positive_id").with_columns(groups["negative_ids"].gather(group))


def pairs_of(triples: pl.LazyFrame) -> pl.DataFrame:
    """The pairs (query_id, passage_id) of triples, each once, in the order of their ids."""
    positives = triples.select("query_id", passage_id="positive_id")
    negatives = triples.select("query_id", passage_id="negative_ids").explode("passage_id")
    every = pl.concat([positives, negatives]).unique().collect(engine="streaming")
    return every.sort("query_id", "passage_id")


def _groups(positives: pl.DataFrame, candidates: pl.DataFrame, draw: Draw) -> pl.DataFrame:
    """(row, query_id, negative_ids): a query's negatives in random groups of the asked size, as many as are full."""
    negatives = (
        candidates.filter(pl.col("rank") <= draw.negatives_from)
        .join(positives, on="query_id", how="semi")
        .join(positives, left_on=["query_id", "passage_id"], right_on=["query_id", "positive_id"], how="anti")
        .select("query_id", "passage_id")
        .sort("query_id", "passage_id")
    )
    lots = pl.Series("lot", np.random.default_rng(draw.seed).permutation(len(negatives)))
    shuffled = negatives.with_columns(lots).sort("query_id", "lot")
    number = (pl.int_range(pl.len()) // draw.negatives).over("query_id").alias("number")
    groups = shuffled.group_by("query_id", number, maintain_order=True).agg(negative_ids="passage_id")
    return groups.filter(pl.col("negative_ids").list.len() == draw.negatives).with_row_index("row")

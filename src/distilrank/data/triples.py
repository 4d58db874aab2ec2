"""Training triples: a query, a passage that is relevant, and some that BM25 ranks high though they are not."""

import numpy as np
import polars as pl

from distilrank.errors import CollectionError
from distilrank.sections import Triples


def sample_triples(
    qrels: pl.DataFrame, candidates: pl.DataFrame, params: Triples, section: str = "triples"
) -> pl.DataFrame:
    """Triples (query_id, positive_id, negative_ids) in random order, each pair of positive and negative at most once.

    Positives are all pairs of the qrels with a relevance above 0; negatives, as many a row as the params say, are
    among the best `negatives_from` candidates that are not relevant. Raises CollectionError where there are fewer
    triples than `count`; `section` is where the params say so.
    """
    positives = qrels.filter(pl.col("relevance") > 0).select("query_id", positive_id="passage_id")
    negatives = (
        candidates.filter(pl.col("rank") <= params.negatives_from)
        .join(positives, left_on=["query_id", "passage_id"], right_on=["query_id", "positive_id"], how="anti")
        .select("query_id", negative_id="passage_id")
    )
    every = _grouped(positives.join(negatives, on="query_id"), params)
    if len(every) < params.count:
        raise CollectionError(
            f"params.yaml: {section}.count",
            got=params.count,
            expected=f"at most {len(every)}, all there are",
            remedy="ask for fewer, or raise its negatives_from and candidates.depth",
        )
    chosen = np.random.default_rng(params.seed).choice(len(every), params.count, replace=False)
    return every[chosen]


def pairs_of(triples: pl.LazyFrame) -> pl.DataFrame:
    """The pairs (query_id, passage_id) of triples, each once, in the order of their ids."""
    positives = triples.select("query_id", passage_id="positive_id")
    negatives = triples.select("query_id", passage_id="negative_ids").explode("passage_id")
    every = pl.concat([positives, negatives]).unique().collect(engine="streaming")
    return every.sort("query_id", "passage_id")


def _grouped(pairs: pl.DataFrame, params: Triples) -> pl.DataFrame:
    """A positive's negatives in random groups of the asked size; what is left over is left out."""
    key = ["query_id", "positive_id"]
    ordered = pairs.sort(*key, "negative_id")
    lots = np.random.default_rng(params.seed).permutation(len(ordered))
    shuffled = ordered.with_columns(lot=pl.Series(lots)).sort(*key, "lot")
    group = (pl.int_range(pl.len()) // params.negatives).over(key).alias("group")
    groups = shuffled.group_by(*key, group, maintain_order=True).agg(negative_ids="negative_id")
    return groups.filter(pl.col("negative_ids").list.len() == params.negatives).drop("group")

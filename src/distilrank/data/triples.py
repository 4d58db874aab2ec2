"""Training triples: a query, a relevant passage, and some passages that rank high though they are not relevant."""

from collections.abc import Callable

import numpy as np
import polars as pl

from distilrank.data.query_ranges import QueryRange
from distilrank.errors import CollectionError
from distilrank.sections.data import Draw

# Files in the directory of triples. UNLABELLED has the candidates of unlabelled queries in the form of triples, CLICKS
# those that were clicked.
TRIPLES, UNLABELLED, CLICKS = "triples.parquet", "unlabelled.parquet", "clicks.parquet"


def sample_triples(
    qrels: pl.DataFrame, candidates: pl.DataFrame, draw: Draw, count: int | None, entry: str
) -> pl.DataFrame:
    """Triples (query_id, positive_id, negative_ids) in random order, each pair of positive and negative at most once.

    Positives are all pairs of the qrels with a relevance above 0. The negatives, as many per triple as `draw` says, are
    from the best `negatives_from` candidates that are not relevant. A larger `count` keeps the triples of a smaller
    one, and None takes all. Raises CollectionError if there are fewer than `count`, which `entry` of the params asks
    for.
    """
    positives = positives_of(qrels)
    draws = Draws(positives, _groups(positives, candidates, draw), draw.seed)
    if len(draws) < (count or 1):
        remedy = "raise its negatives_from (of drawn triples also candidates.train_depth)"
        raise too_few(entry, draw.negatives, count, len(draws), remedy)
    return draws[:count]


def positives_of(qrels: pl.DataFrame) -> pl.DataFrame:
    """The pairs (query_id, positive_id) with a relevance above 0. Raises CollectionError if there is none."""
    positives = qrels.filter(pl.col("relevance") > 0).select("query_id", positive_id="passage_id")
    if positives.is_empty():
        raise CollectionError(
            "the collection",
            got="no training query with a relevant passage",
            expected="some to draw triples from",
            remedy="name training queries in collection.splits, or give triples",
        )
    return positives


def too_few(entry: str, negatives: int, count: int | None, there: int, remedy: str) -> CollectionError:
    """`there` are fewer triples of so many negatives each than the `count` that is asked for."""
    if not there:
        found = f"{negatives} negatives" if negatives > 1 else "a negative"
        return CollectionError(
            f"params.yaml: {entry}",
            got=f"no training query with both a relevant passage and {found}",
            expected="at least one",
            remedy=f"lower its `negatives`, or {remedy}" if negatives > 1 else remedy,
        )
    return CollectionError(
        f"params.yaml: {entry}.count",
        got=count or "null",
        expected=f"at most {there}, the number of all triples",
        remedy=f"lower `count`, or {remedy}",
    )


class Draws:
    """Each positive with each group of its query's negatives, in random order.

    A slice is a table of query_id, positive_id and the groups' own columns. `groups` are sorted by query_id, and
    numbered in `row`.
    """

    def __init__(self, positives: pl.DataFrame, groups: pl.DataFrame, seed: int) -> None:
        of_query = groups.group_by("query_id").agg(first=pl.col("row").min(), groups=pl.len())
        self._positives = positives.join(of_query, on="query_id").sort("query_id", "positive_id")
        self._ends = self._positives["groups"].to_numpy().cumsum(dtype=np.int64)
        self._groups = groups.drop("row", "query_id")
        total = int(self._ends[-1]) if len(self._ends) else 0
        # A draw is one number for a positive and a group of its query's negatives.
        self._numbers = np.random.default_rng(seed).permutation(total)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, some: slice) -> pl.DataFrame:
        numbers = self._numbers[some]
        rows = np.searchsorted(self._ends, numbers, side="right")
        group = self._positives["first"].to_numpy()[rows] + self._ends[rows] - 1 - numbers
        return self._positives[rows].select("query_id", "positive_id").hstack(self._groups[group])


def pairs_of(triples: pl.LazyFrame) -> pl.DataFrame:
    """The pairs (query_id, passage_id) of triples, each once, in the order of their ids."""
    positives = triples.select("query_id", passage_id="positive_id")
    negatives = triples.select("query_id", passage_id="negative_ids").explode("passage_id")
    every = pl.concat([positives, negatives]).unique().collect(engine="streaming")
    return every.sort("query_id", "passage_id")


def pairs_by_range(triples: pl.LazyFrame) -> Callable[[QueryRange], pl.DataFrame]:
    """Gives a function that returns the pairs of a range of queries."""
    return lambda queries: pairs_of(queries.of(triples))


def _groups(positives: pl.DataFrame, candidates: pl.DataFrame, draw: Draw) -> pl.DataFrame:
    """Random groups of a query's negatives (row, query_id, negative_ids). Only groups of the full size are kept."""
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
    full = groups.filter(pl.col("negative_ids").list.len() == draw.negatives)
    return full.select("query_id", "negative_ids").with_row_index("row")

"""Mined triples: negatives from several sources in turn, without those that a teacher considers relevant."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from distilrank.data.triples import Draws, positives_of, too_few
from distilrank.sections.mining import MinedTriples

# From triples (query_id, positive_id, negative_ids) to the scores of their pairs (query_id, passage_id, score).
Scorer = Callable[[pl.DataFrame], pl.DataFrame]
_PAIR = ["query_id", "passage_id"]
# With a filter, a triple draws this many times its negatives, as spares for those that are left out.
_SPARE = 2


def mine_triples(
    qrels: pl.DataFrame, found: Mapping[str, pl.DataFrame], params: MinedTriples, name: str, scores_of: Scorer | None
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Mined triples (query_id, positive_id, negative_ids) in random order, and counts of what was found and left out.

    Each pair of positive and negative comes at most once. `found` holds the passages (query_id, passage_id) of each
    source. A passage that several sources found counts as one source's, chosen at random. No positive is a negative.
    The sources take turns, each with its passages in random order.

    With a filter, a triple draws twice as many negatives and takes the first that pass, again in turn. A draw that
    keeps too few is replaced by the next draw. Raises CollectionError if there are fewer than `count` triples.
    """
    positives = positives_of(qrels)
    pool, known = _pool(positives, found)
    groups = _groups(pool, params)
    draws = Draws(positives, groups, params.seed)
    counts = {f"found by {source}": len(table) for source, table in found.items()} | {
        "known positives among them": known,
        "queries left without enough": positives["query_id"].n_unique() - groups["query_id"].n_unique(),
    }
    _refuse_too_few(name, params, len(draws))
    triples = draws[: params.count]
    if params.filter and scores_of:
        filtered = _Filtered(params.negatives, params.filter.margin, scores_of)
        triples = _some(draws, params.count, filtered)
        counts |= filtered.counts
    _refuse_too_few(name, params, len(triples))
    return triples.select("query_id", "positive_id", "negative_ids"), counts


def _refuse_too_few(name: str, params: MinedTriples, there: int) -> None:
    if there < params.count:
        remedy = "widen its ranks, or lower its filter's margin" if params.filter else "widen its ranks"
        raise too_few(f"triples.{name}", params.negatives, params.count, there, remedy)


def _pool(positives: pl.DataFrame, found: Mapping[str, pl.DataFrame]) -> tuple[pl.DataFrame, int]:
    """The negatives (query_id, passage_id, source) of queries with positives, and how many positives the sources
    found."""
    tables = [table.select(*_PAIR, source=pl.lit(number, pl.UInt8)) for number, table in enumerate(found.values())]
    every = pl.concat(tables).join(positives, on="query_id", how="semi")
    others = every.join(positives, left_on=_PAIR, right_on=["query_id", "positive_id"], how="anti")
    return others, every.select(pl.struct(_PAIR).n_unique()).item() - others.select(pl.struct(_PAIR).n_unique()).item()


def _groups(pool: pl.DataFrame, params: MinedTriples) -> pl.DataFrame:
    """Groups of a query's negatives (row, query_id, negative_ids, sources), taken from its sources in turn.

    Each group has as many as a triple draws. A last, smaller group is kept if it is enough for a triple.
    """
    lots = pl.Series("lot", np.random.default_rng(params.seed).permutation(len(pool)))
    shuffled = pool.sort(*_PAIR, "source").with_columns(lots).sort("lot")
    once = shuffled.unique(_PAIR, keep="first", maintain_order=True)
    in_turn = _in_turn(once, "query_id")
    size = params.negatives * (_SPARE if params.filter else 1)
    number = (pl.int_range(pl.len()) // size).over("query_id").alias("number")
    groups = in_turn.group_by("query_id", number, maintain_order=True).agg(negative_ids="passage_id", sources="source")
    return groups.drop("number").filter(pl.col("negative_ids").list.len() >= params.negatives).with_row_index("row")


def _in_turn(negatives: pl.DataFrame, of: str) -> pl.DataFrame:
    """Sorts by the column `of`, and lets the sources of each value take turns. Rows of one source keep their order."""
    turn = pl.int_range(pl.len()).over(of, "source").alias("turn")
    return negatives.with_columns(turn).sort(of, "turn", "source").drop("turn")


def _some(draws: Draws, count: int, filtered: "_Filtered") -> pl.DataFrame:
    """The first `count` draws that keep enough negatives. Few draws beyond those are scored."""
    kept = [filtered(draws[:count])]
    at, missing = count, count - len(kept[0])
    while missing > 0 and at < len(draws):
        kept.append(filtered(draws[at : at + 2 * missing]))
        at, missing = at + 2 * missing, missing - len(kept[-1])
    return pl.concat(kept).head(count)


class _Filtered:
    """Drops negatives whose score is not at least the margin below the positive's, and counts them."""

    def __init__(self, negatives: int, margin: float, scores_of: Scorer) -> None:
        self._negatives, self._margin, self._scores_of = negatives, margin, scores_of
        self.counts = dict.fromkeys(("negatives scored", "negatives filtered", "draws left without enough"), 0)

    def __call__(self, draws: pl.DataFrame) -> pl.DataFrame:
        """The draws that keep enough negatives, in the given order."""
        numbered = draws.with_row_index("draw")
        pairs = numbered.explode("negative_ids", "sources").rename({"negative_ids": "passage_id", "sources": "source"})
        scores = self._scores_of(draws.select("query_id", "positive_id", "negative_ids"))
        of_positive = scores.rename({"passage_id": "positive_id", "score": "positive_score"})
        margin = pl.col("positive_score").cast(pl.Float64) - pl.col("score")
        scored = pairs.join(scores, on=_PAIR, maintain_order="left")
        stay = scored.join(of_positive, on=["query_id", "positive_id"], maintain_order="left").filter(
            margin >= self._margin
        )
        negatives = pl.col("passage_id").head(self._negatives).alias("negative_ids")
        kept = (
            _in_turn(stay, "draw")
            .group_by("draw", maintain_order=True)
            .agg(pl.col("query_id", "positive_id").first(), negatives)
        )
        whole = kept.filter(pl.col("negative_ids").list.len() == self._negatives)
        self._count(len(pairs), len(pairs) - len(stay), len(draws) - len(whole))
        return whole

    def _count(self, *numbers: int) -> None:
        self.counts = {what: self.counts[what] + number for what, number in zip(self.counts, numbers, strict=True)}

"""Triples from lists of passages that other libraries mined or scored. Their texts are looked up in the collection."""

from collections import Counter
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow.parquet as pq

from distilrank.data.collection import TRAIN, Collection
from distilrank.data.files import text_of
from distilrank.data.known_ids import KnownIds
from distilrank.data.text_lists import TextList, text_lists
from distilrank.errors import CollectionError
from distilrank.sections.data import GivenLists, Lists

Form = Literal["flagembedding", "sentence-transformers"]
_PASSAGES = {
    "row": pl.Int64, "query": pl.String, "passage": pl.String, "positive": pl.Boolean, "score": pl.Float64,
    "alone": pl.Boolean,
}  # fmt: skip


class KnownLists:
    """A file's lists that a student may learn from: those of training queries, with passages of the collection.

    Once all are read, `counts` holds how many rows were given and left out, and `margins` whether some scores are only
    margins.
    """

    def __init__(self, lists: Lists, form: Form, collection: Collection) -> None:
        self._text = text_of(lists.location, lists.checksum, lists.mirrors)
        self._form, self._negatives = form, lists.negatives
        # A text of a training query and of another query counts as the training query's.
        splits = collection.queries.sort(pl.col("split") != TRAIN, maintain_order=True)
        self._splits = splits.select("query_id", "split")
        self._queries = KnownIds.of_queries(splits, by_texts=True)
        self._passages = KnownIds.of_passages(collection.passages, by_texts=True)
        relevant = collection.qrels_of(TRAIN).filter(pl.col("relevance") > 0)
        self._relevant = relevant.select("query_id", "passage_id", relevant=pl.lit(True))
        self.counts: Counter[str] = Counter()
        self.margins = self._scores = False

    def triples(self, scored: bool) -> Iterator[pl.DataFrame]:
        """Triples (query_id, positive_id, negative_ids, positive_score, negative_scores), some at a time.

        The scores are null where the file has none. Rows of one passage are joined by query. Raises CollectionError for
        a row of another form, for one without scores if they must be `scored`, and if no triple is left.
        """
        self.counts = Counter(given=0)
        kept, pairs = 0, [self._known([])]
        for rows in text_lists(self._text, self._form):
            if scored and (number := next((number for number, row in rows if row.scores is None), None)) is not None:
                raise CollectionError(
                    f"{self._text}:{number}",
                    got="passages without scores",
                    expected="scores of a teacher",
                    remedy=f"name the file in triples: {{NAME: {{location: ..., form: {self._form}}}}}, to score it",
                )
            self._refuse_mixed(rows)
            known = self._known(rows)
            pairs.append(known.filter("alone"))
            triples = self._grouped(known.filter(~pl.col("alone")), ["row", "query_id"])
            kept += len(triples)
            yield triples
        triples = self._grouped(pl.concat(pairs), ["query_id"])
        kept += len(triples)
        yield triples
        if not kept:
            told = ", ".join(f"{number:,} {what}" for what, number in self.counts.items() if number)
            raise CollectionError(
                self._text,
                got=f"no triple: {told}",
                expected="texts of the collection's training queries and passages",
                remedy="name the file that goes with the collection",
            )

    def _refuse_mixed(self, rows: list[tuple[int, TextList]]) -> None:
        """Raises CollectionError for a file that has margins in some rows and scores in others."""
        for number, row in rows:
            self._scores = self._scores or (row.scores is not None and not row.margins)
            self.margins = self.margins or row.margins
            if self.margins and self._scores:
                raise CollectionError(
                    f"{self._text}:{number}", got="margins in some rows and scores in others",
                    expected="margins or scores in all", remedy="split the file, and import both parts",
                )  # fmt: skip

    def _known(self, rows: list[tuple[int, TextList]]) -> pl.DataFrame:
        """The passages that a student may learn from (row, query_id, passage_id, positive, score, alone). Counts the
        rest."""
        flat = [
            (number, row.query, passage, positive, score, len(row.passages) == 1)
            for number, row in rows
            for passage, positive, score in zip(row.passages, row.positive, row.scores or repeat(None), strict=False)
        ]
        passages = pl.DataFrame(flat, schema=_PASSAGES, orient="row")
        query_ids, passage_ids = self._queries.ids_of(passages["query"]), self._passages.ids_of(passages["passage"])
        found = passages.with_columns(query_id=query_ids, passage_id=passage_ids).join(
            self._splits, on="query_id", how="left", maintain_order="left"
        )
        self.counts["given"] += len(rows)
        by_row = found.group_by("row", maintain_order=True).agg(pl.col("split").first())
        for split, number in (
            by_row.filter(pl.col("split").ne_missing(TRAIN))["split"].value_counts().sort("split").iter_rows()
        ):
            self.counts[f"of {split} queries" if split else "of other queries"] += number
        of_train = found.filter(pl.col("split") == TRAIN)
        known = of_train.drop_nulls("passage_id")
        self.counts["passages that are not there"] += len(of_train) - len(known)
        judged = known.join(self._relevant, on=["query_id", "passage_id"], how="left", maintain_order="left")
        positive = pl.coalesce("positive", "relevant", pl.lit(False)).alias("positive")
        return judged.select("row", "query_id", "passage_id", positive, "score", "alone")

    def _grouped(self, known: pl.DataFrame, by: list[str]) -> pl.DataFrame:
        """The triples of each group of passages: each positive with its negatives, in order, as many as a triple
        takes."""
        lot = (pl.int_range(pl.len()) // self._negatives).over(by).alias("lot")
        lots = (
            known.filter(~pl.col("positive"))
            .group_by(*by, lot, maintain_order=True)
            .agg(negative_ids="passage_id", negative_scores=pl.col("score").cast(pl.Float32))
            .filter(pl.col("negative_ids").list.len() == self._negatives)
        )
        positives = known.filter("positive")
        triples = positives.join(lots, on=by, maintain_order="left_right")
        groups, used = known.select(by).n_unique(), triples.select(by).n_unique()
        self.counts["without a triple"] += groups - used
        return triples.select(
            "query_id",
            "negative_ids",
            "negative_scores",
            positive_id="passage_id",
            positive_score=pl.col("score").cast(pl.Float32),
        ).select("query_id", "positive_id", "negative_ids", "positive_score", "negative_scores")


def write_given_lists(file: Path, section: GivenLists, collection: Collection) -> dict[str, int]:
    """Writes (query_id, positive_id, negative_ids) of training queries and passages of the collection, in the file's
    order.

    Returns how many rows were given, and what was left out. Raises CollectionError if no triple is left.
    """
    lists, writer = KnownLists(section, section.form, collection), None
    for triples in lists.triples(scored=False):
        table = triples.select("query_id", "positive_id", "negative_ids").to_arrow()
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()
    return dict(lists.counts)

"""The forms in which labels are published: tables of rows, and the same as text. `imports` reads each of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from distilrank.data.collection import Collection
from distilrank.data.runs import ranked, write_trec
from distilrank.labels.labels import scored_pairs
from distilrank.labels.score_lines import published_form, write_published
from distilrank.scoring.scores import KEY

# The rows whose texts are in memory at once.
_ROWS = 100_000


class Form(NamedTuple):
    """The name of the text file, a description of its columns, its rows as tables, and what turns a Parquet file of
    them into text.

    `keys` gives, for a number of negatives, the keys of an entry of `imports` that reads it.
    """

    text: str
    columns: str
    keys: str
    rows: Callable[[pl.LazyFrame, Collection], Iterator[pl.DataFrame]]
    write: Callable[[Path, Path], None]


def _lines(labels: pl.LazyFrame, _: Collection) -> Iterator[pl.DataFrame]:
    yield from published_form(labels).collect_batches(chunk_size=_ROWS, maintain_order=True)


def _run(labels: pl.LazyFrame, _: Collection) -> Iterator[pl.DataFrame]:
    """Each pair once. Where half precision left two scores of a pair, the lower counts."""
    pairs = scored_pairs(labels).group_by(KEY).agg(pl.col("score").min())
    yield ranked(pairs.collect(engine="streaming"))


def _flagembedding(labels: pl.LazyFrame, collection: Collection) -> Iterator[pl.DataFrame]:
    for triples in _with_texts(labels, collection):
        yield triples.select(
            "query",
            pos=pl.concat_list("positive"),
            neg="negatives",
            pos_scores=pl.concat_list("positive_score"),
            neg_scores="negative_scores",
        )


def _sentence_transformers(labels: pl.LazyFrame, collection: Collection) -> Iterator[pl.DataFrame]:
    """The columns of mine_hard_negatives, for triplets and n-tuples with scores."""
    for triples in _with_texts(labels, collection):
        number = len(triples["negatives"][0])
        names = ["negative"] if number == 1 else [f"negative_{place}" for place in range(1, number + 1)]
        negatives = [pl.col("negatives").list.get(place).alias(name) for place, name in enumerate(names)]
        scores = pl.concat_list("positive_score", "negative_scores").alias("scores")
        yield triples.select("query", "positive", *negatives, scores)


def _with_texts(labels: pl.LazyFrame, collection: Collection) -> Iterator[pl.DataFrame]:
    """(query, positive, negatives, positive_score, negative_scores), some at a time."""
    queries = collection.queries.select("query_id", query="text")
    for triples in labels.collect_batches(chunk_size=_ROWS, maintain_order=True):
        negative_ids = triples["negative_ids"].explode()
        texts = collection.texts_of(pl.concat([triples["positive_id"], negative_ids]).unique())
        of_negatives = _texts_of(negative_ids, texts).reshape((len(triples), -1)).arr.to_list()
        yield triples.join(queries, on="query_id", how="left", maintain_order="left").with_columns(
            _texts_of(triples["positive_id"], texts).alias("positive"), of_negatives.alias("negatives")
        )


def _texts_of(ids: pl.Series, texts: pl.DataFrame) -> pl.Series:
    asked = ids.rename("passage_id").to_frame()
    return asked.join(texts, on="passage_id", how="left", maintain_order="left")["passage_text"]


def _write_trec(rows: Path, text: Path) -> None:
    write_trec(pl.read_parquet(rows).drop("rank"), text, "distilrank", is_of_scores=True)


def _write_json(rows: Path, text: Path) -> None:
    compression: Literal["gzip", "uncompressed"] = "gzip" if text.suffix == ".gz" else "uncompressed"
    pl.scan_parquet(rows).sink_ndjson(text, compression=compression, check_extension=False)


def _write_lines(rows: Path, text: Path) -> None:
    write_published(text, pl.scan_parquet(rows))


FORMS = {
    "scores": Form(
        "scores.tsv",
        "a line per triple and negative, tab-separated, without a header:\n"
        "  `pos_score neg_score query_id pos_passage_id neg_passage_id`",
        "",
        _lines,
        _write_lines,
    ),
    "flagembedding": Form(
        "scores.jsonl",
        "a line per triple, JSON as FlagEmbedding distils from it:\n"
        "  `query`, `pos`, `neg`, `pos_scores`, `neg_scores`",
        ", form: flagembedding, negatives: {negatives}",
        _flagembedding,
        _write_json,
    ),
    "sentence-transformers": Form(
        "scores.jsonl",
        "a line per triple, JSON as the MarginMSELoss of sentence-transformers reads it: texts, then\n"
        "  `scores`, the positive's first",
        ", form: sentence-transformers, negatives: {negatives}",
        _sentence_transformers,
        _write_json,
    ),
    "run": Form(
        "scores.trec",
        "each pair of query and passage once, in TREC's form: `query_id Q0 passage_id rank score tag`",
        ", form: run, negatives: {negatives}",
        _run,
        _write_trec,
    ),
}

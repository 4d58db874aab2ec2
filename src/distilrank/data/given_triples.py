"""Training triples that users give: MS MARCO's files, or the docpairs of an ir_datasets data set."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from distilrank.data.collection import TRAIN, Collection
from distilrank.data.files import text_of
from distilrank.data.known_ids import KnownIds
from distilrank.data.sources.from_ir_datasets import rows_of
from distilrank.data.sources.section import IR_DATASETS
from distilrank.data.text import separated
from distilrank.errors import CollectionError
from distilrank.progress import progress
from distilrank.sections.data import GivenTriples

COLUMNS = ("query_id", "positive_id", "negative_id")
_AT_ONCE = 500_000


def write_given_triples(file: Path, params: GivenTriples, collection: Collection, drop: bool) -> dict[str, int]:
    """Writes (query_id, positive_id, negative_ids) of training queries and passages of the collection, in the file's
    order.

    Returns how many were given and dropped. Raises CollectionError for triples of other queries or passages unless they
    may be dropped, and if none is left.
    """
    by_texts = params.columns == "texts"
    queries = KnownIds.of_queries(collection.queries_of(TRAIN), by_texts)
    passages = KnownIds.of_passages(collection.passages, by_texts)
    given, dropped, writer = 0, 0, None
    with progress("triples read", params.count) as advance:
        for table in _some(params):
            known = pl.DataFrame(
                {name: (queries if name == "query_id" else passages).ids_of(table[name]) for name in COLUMNS}
            )
            sound = known.drop_nulls()
            if len(sound) < len(table) and not drop:
                raise _unknown(params, given, table, known)
            triples = sound.select("query_id", "positive_id", negative_ids=pl.concat_list("negative_id")).to_arrow()
            writer = writer or pq.ParquetWriter(file, triples.schema)
            writer.write_table(triples)
            given, dropped = given + len(table), dropped + len(table) - len(sound)
            advance(len(table))
    if writer is None or given == dropped:
        raise CollectionError(
            params.location,
            got=f"{given} triples, none of the collection",
            expected="triples of its training queries and passages",
            remedy="name the file that goes with the collection, and say whether it has ids or texts",
        )
    writer.close()
    return {"given": given, "dropped": dropped}


def _some(params: GivenTriples) -> Iterator[pl.DataFrame]:
    """Tables with the columns COLUMNS, of ids or texts, many rows at a time, `count` rows at most."""
    left = params.count
    for table in _tables(params.location, params):
        if left is None:
            yield table
        elif left > 0:
            yield (some := table.head(left))
            left -= len(some)
        else:
            return


def _tables(location: str, params: GivenTriples) -> Iterator[pl.DataFrame]:
    if not location.startswith(IR_DATASETS):
        text = text_of(location, params.checksum, params.mirrors)
        yield from (table for _, table in separated(text, COLUMNS))
        return
    pairs = ((one.query_id, one.doc_id_a, one.doc_id_b) for one in rows_of(location[len(IR_DATASETS) :], "docpairs"))
    while some := list(islice(pairs, _AT_ONCE)):
        yield pl.DataFrame(some, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def _unknown(params: GivenTriples, before: int, table: pl.DataFrame, known: pl.DataFrame) -> CollectionError:
    row = int(known.select(pl.any_horizontal(pl.all().is_null())).to_series().arg_max() or 0)
    column = next(name for name in COLUMNS if known[name][row] is None)
    what = "training query" if column == "query_id" else "passage"
    return CollectionError(
        f"{params.location}:{before + row + 1}",
        got=f"'{table[column][row][:60]}'",
        expected=f"a {what} of the collection",
        remedy="mend the file, or set collection.on_error to drop",
    )

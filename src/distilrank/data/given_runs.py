"""Candidates that users give: TREC runs, MS MARCO's top-1000 files, or the scoreddocs of an ir_datasets data set."""

from collections.abc import Sequence

import polars as pl

from distilrank.data.collection import Collection
from distilrank.data.files import text_of
from distilrank.data.runs import HAS_RANK, RUN_SCHEMA, as_listed, finite, others, ranked
from distilrank.data.sources.from_ir_datasets import rows_of
from distilrank.data.sources.section import IR_DATASETS
from distilrank.data.text import Text, columns_of, separated
from distilrank.errors import CollectionError
from distilrank.sections.base import FileElsewhere

TREC = ("query_id", "q0", "passage_id", "rank", "score", "tag")
TOP_1000 = ("query_id", "passage_id", "query", "passage")


def given_candidates(
    files: Sequence[FileElsewhere], collection: Collection, drop: bool, exclude_identical_ids: bool = False
) -> tuple[pl.DataFrame, dict[str, int]]:
    """(query_id, passage_id, score) of the collection's queries and passages, best first, and counts of those left out.

    Other queries are left out. Passages of one score keep the order of the file. Raises CollectionError for unknown
    passages unless they may be dropped, for a query that two runs have, and if nothing is left of a run.
    """
    runs = [pl.DataFrame(schema=RUN_SCHEMA)]
    counts = {"given for other queries": 0, "given passages that are not there": 0} if files else {}
    for file in files:
        run = as_listed(read_given_run(file))
        of_queries = run.join(collection.queries, on="query_id", how="semi")
        apart = others(of_queries) if exclude_identical_ids else of_queries
        known = apart.lazy().join(collection.passages, on="passage_id", how="semi").collect()
        strange = apart.join(known, on="passage_id", how="anti")
        if len(strange) and not drop:
            raise _refused(file, f"passage '{strange['passage_id'][0]}'", "passages of the collection")
        if known.is_empty():
            raise _refused(file, "no candidate of the collection's queries", "some")
        again = known.join(pl.concat(runs), on="query_id", how="semi")
        if len(again):
            raise _refused(file, f"query '{again['query_id'][0]}', which another run has", "each query in one run")
        runs.append(known)
        counts["given for other queries"] += len(run) - len(of_queries)
        counts["given passages that are not there"] += len(strange)
    return ranked(pl.concat(runs)).drop("rank"), counts


def read_given_run(file: FileElsewhere) -> pl.DataFrame:
    """(query_id, passage_id, score). Raises CollectionError, DownloadError, and ScoreError for a score that has no
    rank."""
    if file.location.startswith(IR_DATASETS):
        rows = rows_of(file.location.removeprefix(IR_DATASETS), "scoreddocs")
        scored = [(one.query_id, one.doc_id, one.score) for one in rows]
        run = finite(pl.DataFrame(scored, schema=RUN_SCHEMA, orient="row"), file.location)
    else:
        run = _read(text_of(file.location, file.checksum, file.mirrors))
    twice = run.filter(~pl.struct("query_id", "passage_id").is_first_distinct())
    if len(twice):
        query, passage, _ = twice.row(0)
        raise _refused(file, f"passage '{passage}' twice for query '{query}'", "each candidate once")
    return run


def tells_scores(file: FileElsewhere) -> bool:
    """Whether a run has scores, and not only an order. Raises CollectionError, DownloadError."""
    is_of_ir_datasets = file.location.startswith(IR_DATASETS)
    return is_of_ir_datasets or _is_trec(text_of(file.location, file.checksum, file.mirrors))


def _is_trec(text: Text) -> bool:
    return len(columns_of(text)) == len(TREC)


def _read(text: Text) -> pl.DataFrame:
    if _is_trec(text):
        tables = (table.with_row_index("line", first) for first, table in separated(text, TREC, separator=None))
        return pl.concat([_with_numbers(text, table).select(*RUN_SCHEMA) for table in tables])
    # These files hold no scores. The order in the file becomes the score, counted per query, so that it fits a float32.
    pieces = [table.select("query_id", "passage_id") for _, table in separated(text, TOP_1000)]
    place = pl.int_range(pl.len()).over("query_id").cast(pl.Float64)
    return pl.concat(pieces).select("query_id", "passage_id", score=-place)


def _with_numbers(text: Text, table: pl.DataFrame) -> pl.DataFrame:
    """Adds scores as numbers. Raises CollectionError, with the line, for the first that is no number or has no rank."""
    numbers = table.with_columns(pl.col("score").cast(pl.Float64, strict=False))
    wrong = table.filter(numbers.select(~HAS_RANK).to_series())
    if len(wrong):
        query_id, passage_id, score, line = wrong.select(*RUN_SCHEMA, "line").row(0)
        got = f"the score '{score[:60]}' of passage '{passage_id}' for query '{query_id}'"
        raise text.refused(line, got, "a finite number, as a float32")
    return numbers


def _refused(file: FileElsewhere, got: str, expected: str) -> CollectionError:
    return CollectionError(file.location, got=got, expected=expected, remedy="mend the run, or name another")

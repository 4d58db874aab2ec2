"""Teacher scores in the form that the authors of arXiv 2010.02666 publish: a line a triple, plain or gzipped,

pos_score <tab> neg_score <tab> query_id <tab> pos_passage_id <tab> neg_passage_id
"""

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
from pyarrow import csv

from distilrank.data.downloads import fetched
from distilrank.data.tokens import TokenStore, find
from distilrank.errors import ScoreError
from distilrank.sections import FileElsewhere

COLUMNS = ("pos_score", "neg_score", "query_id", "pos_passage_id", "neg_passage_id")
# Bytes read at once; a line is shorter.
_BLOCK = 1 << 24


def published_form(labels: pl.LazyFrame) -> pl.LazyFrame:
    """Labels as rows of COLUMNS, one a triple and negative."""
    return labels.explode("negative_ids", "negative_scores").select(
        pos_score="positive_score",
        neg_score="negative_scores",
        query_id="query_id",
        pos_passage_id="positive_id",
        neg_passage_id="negative_ids",
    )


def write_published(file: Path, labels: pl.LazyFrame, gzipped: bool) -> None:
    """Writes scores with all digits of a float32. Raises ScoreError for an id that holds a tab or a line's end."""
    form = published_form(labels)
    odd = form.filter(pl.any_horizontal(pl.col(COLUMNS[2:]).str.contains(r"[\t\r\n]"))).head(1).collect()
    if len(odd):
        raise ScoreError(
            "labels",
            got=f"ids {odd.row(0)[2:]}, one of which holds a tab or a line's end",
            expected="ids that can stand between tabs",
            remedy="rename them in the collection",
        )
    form.sink_csv(
        file,
        include_header=False,
        separator="\t",
        quote_style="never",
        compression="gzip" if gzipped else "uncompressed",
        check_extension=False,
    )


def whole_file(published: FileElsewhere) -> Path:
    """The file of an import, downloaded if need be.

    Raises DownloadError where it is absent or has another checksum, ScoreError where it is empty or cut off.
    """
    path = fetched(published.location, published.checksum, published.mirrors)
    if not path.stat().st_size:
        raise _refused(path, "an empty file", "a line a triple", "fetch the file again")
    if not _ends_a_line(path):
        raise _refused(path, "a last line without its end", "whole lines", "fetch the file again: it was cut off")
    return path


def read_published(path: Path, tokens: TokenStore) -> Iterator[pl.DataFrame]:
    """Labels of one negative each, some at a time, of passages and queries that `tokens` holds.

    Raises ScoreError, with the number of the line, for one that has other columns, a score that is no finite number, or
    an id that is not of the collection.
    """
    first = 1
    for rows in _rows(path):
        scores = rows.select(pl.col(COLUMNS[:2]).cast(pl.Float32, strict=False))
        faults = [
            *((column, ~scores[column].is_finite().fill_null(False), "a finite number") for column in COLUMNS[:2]),
            *_unknown_ids(rows, tokens),
        ]
        for column, wrong, expected in faults:
            if wrong.any():
                line = int(wrong.arg_max() or 0)
                raise _refused(
                    f"{path}:{first + line}", f"{column} '{rows[column][line]}'", expected, "mend or drop the line"
                )
        first += len(rows)
        yield pl.DataFrame(
            {
                "query_id": rows["query_id"],
                "positive_id": rows["pos_passage_id"],
                "negative_ids": rows["neg_passage_id"].reshape((-1, 1)).arr.to_list(),
                "positive_score": scores["pos_score"],
                "negative_scores": scores["neg_score"].reshape((-1, 1)).arr.to_list(),
            }
        )


def _rows(path: Path) -> Iterator[pl.DataFrame]:
    columns = dict.fromkeys(COLUMNS, pa.string())
    try:
        with pa.input_stream(str(path), compression="gzip" if path.suffix == ".gz" else None) as stream:
            yield from map(
                pl.DataFrame,
                csv.open_csv(
                    stream,
                    csv.ReadOptions(column_names=list(COLUMNS), block_size=_BLOCK, use_threads=False),
                    csv.ParseOptions(delimiter="\t", quote_char=False, double_quote=False, ignore_empty_lines=False),
                    csv.ConvertOptions(column_types=columns, strings_can_be_null=False),
                ),
            )
    except (pa.ArrowInvalid, OSError) as error:
        # Arrow names the line, and what is wrong with it.
        raise _refused(
            path, str(error)[:160], f"lines of {' <tab> '.join(COLUMNS)}, in UTF-8", "mend or fetch the file again"
        ) from error


def _unknown_ids(rows: pl.DataFrame, tokens: TokenStore) -> Iterator[tuple[str, pl.Series, str]]:
    for column in COLUMNS[2:]:
        what = column.removeprefix("pos_").removeprefix("neg_").removesuffix("_id")
        known = tokens.query_ids if what == "query" else tokens.passage_ids
        yield column, find(rows[column], known)[1], f"a {what} of the collection"


def _ends_a_line(path: Path) -> bool:
    if path.suffix != ".gz":
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"
    last = b""
    try:
        with gzip.open(path) as file:
            while block := file.read(_BLOCK):
                last = block
    except (OSError, EOFError, zlib.error):
        return True  # what is wrong with it, the reader says
    return not last or last.endswith(b"\n")


def _refused(where: Path | str, got: str, expected: str, remedy: str) -> ScoreError:
    return ScoreError(where, got=got, expected=expected, remedy=remedy)

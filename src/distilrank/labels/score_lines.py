"""Teacher scores in the form that the authors of arXiv 2010.02666 publish: one line per triple, plain or gzipped.

pos_score <tab> neg_score <tab> query_id <tab> pos_passage_id <tab> neg_passage_id
"""

import gzip
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
from pyarrow import csv

from distilrank.data.collection import TRAIN, Collection
from distilrank.data.downloads import fetched
from distilrank.data.findings import DroppedIds
from distilrank.data.tokens import find
from distilrank.errors import ScoreError
from distilrank.sections.base import FileElsewhere

COLUMNS = ("pos_score", "neg_score", "query_id", "pos_passage_id", "neg_passage_id")
# The bytes of one read. A line is shorter.
_BLOCK = 1 << 24


def published_form(labels: pl.LazyFrame) -> pl.LazyFrame:
    """Labels as rows of COLUMNS, one per triple and negative."""
    return labels.explode("negative_ids", "negative_scores").select(
        pos_score="positive_score",
        neg_score="negative_scores",
        query_id="query_id",
        pos_passage_id="positive_id",
        neg_passage_id="negative_ids",
    )


def write_published(file: Path, form: pl.LazyFrame) -> None:
    """Writes rows of COLUMNS, with all digits of a float32, compressed if the file's name says so.

    Raises ScoreError for an id that holds a tab or a line end.
    """
    odd = form.filter(pl.any_horizontal(pl.col(COLUMNS[2:]).str.contains(r"[\t\r\n]"))).head(1).collect()
    if len(odd):
        raise ScoreError(
            "labels",
            got=f"ids {odd.row(0)[2:]}, one of which holds a tab or a line's end",
            expected="ids without tabs and line ends",
            remedy="rename them in the collection",
        )
    form.sink_csv(
        file,
        include_header=False,
        separator="\t",
        quote_style="never",
        compression="gzip" if file.suffix == ".gz" else "uncompressed",
        check_extension=False,
    )


def whole_file(published: FileElsewhere) -> Path:
    """The file of an import, downloaded if need be.

    Raises DownloadError if it is absent or has another checksum, ScoreError if it is empty or cut off.
    """
    path = fetched(published.location, published.checksum, published.mirrors)
    if not path.stat().st_size:
        raise _refused(path, "an empty file", "one line per triple", "fetch the file again")
    if not _ends_a_line(path):
        raise _refused(path, "a last line without its end", "whole lines", "fetch the file again: it was cut off")
    return path


class PublishedScores:
    """A file's lines that a student may learn from: those of training queries, with passages of the collection.

    Once all are read, `counts` holds how many lines were given and left out, by reason.
    """

    def __init__(self, path: Path, collection: Collection, dropped: DroppedIds) -> None:
        self._path, self._dropped = path, dropped
        self._queries, self._passages = collection.queries, collection.passage_ids()
        self.counts: Counter[str] = Counter()

    def labels(self) -> Iterator[pl.DataFrame]:
        """Labels with one negative each, some at a time.

        Raises ScoreError, with the number of the line, for other columns, a score that is no finite number, or an id
        that the collection never had. Raises it also if no line is left.
        """
        self.counts = Counter(given=0, dropped=0)
        kept = 0
        for rows in _rows(self._path):
            labels = self._learnable(rows)
            self.counts["given"] += len(rows)
            kept += len(labels)
            yield labels
        if not kept:
            raise _refused(
                self._path,
                f"{self.counts['given']:,} lines, none of a training query of the collection",
                "scores of training queries",
                "name the file that goes with the collection",
            )

    def _learnable(self, rows: pl.DataFrame) -> pl.DataFrame:
        scores = rows.select(pl.col(COLUMNS[:2]).cast(pl.Float32, strict=False))
        for column in COLUMNS[:2]:
            self._refuse(rows, column, ~scores[column].is_finite().fill_null(False), "a finite number")
        query_rows, no_query = find(rows["query_id"], self._queries["query_id"])
        gone = self._gone(rows, "query_id", no_query, self._dropped.queries, "query")
        for column in COLUMNS[3:]:
            no_passage = find(rows[column], self._passages)[1]
            gone = gone | self._gone(rows, column, no_passage, self._dropped.passages, "passage")
        split = self._queries["split"].gather(query_rows)
        others = split.filter(~gone & (split != TRAIN))
        self.counts["dropped"] += int(gone.sum())
        of_splits = others.value_counts().sort("split")
        self.counts.update({f"of {name} queries": number for name, number in of_splits.iter_rows()})
        return _as_labels(rows, scores).filter(~gone & (split == TRAIN))

    def _gone(self, rows: pl.DataFrame, column: str, unknown: pl.Series, dropped: pl.Series, what: str) -> pl.Series:
        """Marks the unknown ids that `collect` dropped. Raises ScoreError for any other."""
        if unknown.any():
            strange = unknown & ~rows[column].is_in(dropped.implode())
            self._refuse(rows, column, strange, f"a {what} of the collection")
        return unknown

    def _refuse(self, rows: pl.DataFrame, column: str, wrong: pl.Series, expected: str) -> None:
        if wrong.any():
            number = int(wrong.arg_max() or 0)
            line = self.counts["given"] + number + 1
            raise _refused(
                f"{self._path}:{line}", f"{column} '{rows[column][number]}'", expected, "mend or drop the line"
            )


def _as_labels(rows: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(
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
        # Arrow's message names the line, and what is wrong with it.
        raise _refused(
            path, str(error)[:160], f"lines of {' <tab> '.join(COLUMNS)}, in UTF-8", "mend or fetch the file again"
        ) from error


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
        return True  # the reader reports what is wrong with it
    return not last or last.endswith(b"\n")


def _refused(where: Path | str, got: str, expected: str, remedy: str) -> ScoreError:
    return ScoreError(where, got=got, expected=expected, remedy=remedy)

"""Users' text files: lines of columns, or of JSON. Errors name the number of the line."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from distilrank.data.archives import BROKEN, opened
from distilrank.errors import CollectionError

# The bytes of one read.
_BLOCK = 1 << 24
# A file with a longer line is no text to rank, but a file of another kind.
_LONGEST = 10_000_000


@dataclass(frozen=True)
class Text:
    """A text file, plain or compressed, or one in an archive."""

    path: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.path}#{self.member}" if self.member else str(self.path)

    def blocks(self) -> Iterator[tuple[int, list[str]]]:
        """Its lines without line ends, many at a time, each time with the number of the first.

        Raises CollectionError for bytes that are no UTF-8, NUL bytes, lines above 10 MB, and an empty or broken file.
        """
        number, rest = 1, b""
        try:
            with opened(self.path, self.member) as stream:
                while chunk := stream.read(_BLOCK):
                    whole, rest = _cut(rest + chunk)
                    if len(rest) > _LONGEST:
                        raise self._too_long(number + whole.count(b"\n"))
                    if whole:
                        yield number, (lines := self._lines(number, whole))
                        number += len(lines)
        except BROKEN as error:
            raise CollectionError(
                self, got=f"{type(error).__name__}: {error}"[:160], expected="a whole file", remedy="get it again"
            ) from error
        if rest:
            yield number, self._lines(number, rest)
        elif number == 1:
            raise self.refused("", "an empty file", "at least one line")

    def refused(self, line: object, got: str, expected: str) -> CollectionError:
        """The error for a line, by its number."""
        place = f"{self}:{line}" if line else f"{self}"
        return CollectionError(place, got=got, expected=expected, remedy="mend the file")

    def _lines(self, number: int, block: bytes) -> list[str]:
        if b"\0" in block:
            raise self.refused(number + block.count(b"\n", 0, block.index(b"\0")), "a NUL", "text")
        try:
            text = block.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            line = number + block.count(b"\n", 0, error.start)
            raise self.refused(line, f"the byte 0x{block[error.start]:02x}, which is not UTF-8", "UTF-8") from error
        lines = text.removesuffix("\n").split("\n")
        if len(block) > _LONGEST and len(longest := max(lines, key=len)) > _LONGEST:
            raise self._too_long(number + lines.index(longest))
        return [line.removesuffix("\r") for line in lines] if "\r" in text else lines

    def _too_long(self, line: int) -> CollectionError:
        return self.refused(line, f"more than {_LONGEST:,} bytes", "shorter lines")


def columns_of(text: Text) -> list[str]:
    """The columns of the first line, separated by tabs, or by white space if there is no tab."""
    _, lines = next(text.blocks())
    return lines[0].split("\t") if "\t" in lines[0] else lines[0].split()


def separated(text: Text, columns: Sequence[str], separator: str | None = "\t") -> Iterator[tuple[int, pl.DataFrame]]:
    """Rows of strings, many at a time, each time with the number of the first line. `separator` None means any white
    space.

    Raises CollectionError for a line with another number of columns.
    """
    for first, lines in text.blocks():
        line = pl.Series("line", lines if separator else ["\t".join(one.split()) for one in lines], pl.String)
        counts = line.str.count_matches("\t", literal=True) + 1
        wrong = counts != len(columns)
        if wrong.any():
            place = int(wrong.arg_max() or 0)
            expected = f"{len(columns)}: {', '.join(columns)}"
            raise text.refused(first + place, f"{counts[place]} columns", expected)
        fields = line.str.split_exact("\t", len(columns) - 1).struct.rename_fields(list(columns))
        yield first, fields.struct.unnest()


def whole_table(text: Text, columns: Sequence[str], separator: str | None = "\t") -> pl.DataFrame:
    """All rows of `separated`, with the number of each row's line as `line`."""
    numbered = (table.with_row_index("line", first) for first, table in separated(text, columns, separator))
    return pl.concat(numbered)


def as_whole_number(text: Text, table: pl.DataFrame, column: str) -> pl.DataFrame:
    """A column of a table with `line`, as numbers. Raises CollectionError for the first value that is no number."""
    numbers = table[column].cast(pl.Int64, strict=False)
    if numbers.has_nulls():
        place = int(numbers.is_null().arg_max() or 0)
        raise text.refused(table["line"][place], f"{column} '{table[column][place][:60]}'", "a whole number")
    return table.with_columns(numbers)


def json_objects(text: Text, columns: dict[str, str], optional: frozenset[str] = frozenset()) -> Iterator[pl.DataFrame]:
    """Rows of strings, many at a time, from one JSON object per line. `columns` maps each key to its column.

    Raises CollectionError for a line that is no object, or lacks a key that is not optional.
    """
    for numbered in numbered_objects(text):
        rows = [_values(text, number, entry, columns, optional) for number, entry in numbered]
        yield pl.DataFrame(rows, schema=dict.fromkeys(columns.values(), pl.String), orient="row")


def numbered_objects(text: Text) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """The objects, one per line, with the line's number, many at a time. Raises CollectionError for a line that is
    none."""
    for first, lines in text.blocks():
        yield [(number, _object(text, number, line)) for number, line in enumerate(lines, first)]


def refuse_no_text(text: Text, number: int, key: str, value: object) -> None:
    """Raises CollectionError for a value that is no string, or holds half a character."""
    if not isinstance(value, str):
        raise text.refused(number, f"{key}: {json.dumps(value, default=str)[:60]}", f"a string {key}")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise text.refused(number, f"half a character in {key}", "whole characters")


def _object(text: Text, number: int, line: str) -> dict[str, Any]:
    try:
        entry: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise text.refused(number, f"no JSON ({error})", "a JSON object per line") from error
    if not isinstance(entry, dict):
        raise text.refused(number, f"{line[:40]}, which is no object", "a JSON object per line")
    return entry


def _values(
    text: Text, number: int, entry: dict[str, Any], columns: dict[str, str], optional: frozenset[str]
) -> list[str]:
    values: list[Any] = [entry.get(key) or "" if key in optional else entry.get(key) for key in columns]
    for key, value in zip(columns, values, strict=True):
        refuse_no_text(text, number, key, value)
    return values


def _cut(block: bytes) -> tuple[bytes, bytes]:
    """The whole lines, and the beginning of the next line."""
    end = block.rfind(b"\n") + 1
    return block[:end], block[end:]

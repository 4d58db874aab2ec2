"""A query's passages by their texts: rows in the forms of FlagEmbedding and sentence-transformers."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import pyarrow as pa
import pyarrow.parquet as pq

from distilrank.data.text import Text, numbered_objects, refuse_no_text

_ROWS = 10_000
# The names that sentence-transformers takes for the column of labels.
_LABELS = ("label", "labels", "score", "scores")
# The smallest number that float32 rounds to infinity: half a step above its largest. The shortest decimal text of that
# largest number is still below it.
_TOO_LARGE = 2.0**128 - 2.0**103


class TextList(NamedTuple):
    """A query and its passages: which are positive (None where only qrels can tell), and their scores, if there are
    any.

    `margins`: the scores only say how far the positive is above each other passage.
    """

    query: str
    passages: list[str]
    positive: Sequence[bool | None]
    scores: list[float] | None
    margins: bool = False


class _Wrong(Exception):
    """What a row had, and what was expected."""


def text_lists(text: Text, form: str) -> Iterator[list[tuple[int, TextList]]]:
    """The list of each row, with the row's number, many at a time, from JSON lines or Parquet.

    Raises CollectionError, with the number of the row, for a row of another form.
    """
    parse = _PARSERS[form]
    for rows in _parquet_rows(text) if _is_parquet(text.path) else numbered_objects(text):
        yield [(number, _parsed(text, number, row, parse)) for number, row in rows]


def _parsed(text: Text, number: int, row: dict[str, Any], parse: Callable[[dict[str, Any]], TextList]) -> TextList:
    try:
        found = parse(row)
    except _Wrong as wrong:
        raise text.refused(number, *wrong.args) from wrong
    for each in (found.query, *found.passages):
        refuse_no_text(text, number, "text", each)
    for score in found.scores or ():
        if isinstance(score, bool) or not isinstance(score, int | float) or not abs(score) < _TOO_LARGE:
            raise text.refused(number, f"the score {json.dumps(score, default=str)[:60]}", "a finite number")
    return found if found.scores is None else found._replace(scores=[*map(float, found.scores)])


def _flagembedding(row: dict[str, Any]) -> TextList:
    """The list of query, pos, neg, and, where a teacher scored them, pos_scores and neg_scores."""
    query, positives, negatives = row.get("query"), row.get("pos"), row.get("neg")
    if not isinstance(query, str) or not isinstance(positives, list) or not isinstance(negatives, list):
        raise _Wrong(f"the keys {', '.join(row)}", "a string query, and lists pos and neg")
    passages, flags = [*positives, *negatives], [True] * len(positives) + [False] * len(negatives)
    of_positives, of_negatives = row.get("pos_scores"), row.get("neg_scores")
    if not of_positives and not of_negatives:
        return TextList(query, passages, flags, None)
    if not _match(of_positives, positives) or not _match(of_negatives, negatives):
        raise _Wrong("pos_scores and neg_scores that do not match pos and neg", "a score of each passage")
    return TextList(query, passages, flags, [*of_positives, *of_negatives])


def _match(scores: Any, passages: list[str]) -> TypeGuard[list[float]]:
    return isinstance(scores, list) and len(scores) == len(passages)


def _sentence_transformers(row: dict[str, Any]) -> TextList:
    """The list by the order of the columns, whatever their names, and the column of labels or scores."""
    key = next((name for name in _LABELS if name in row), None)
    label = row[key] if key else None
    match [value for name, value in row.items() if name not in _LABELS]:
        case [str(query), list(passages)]:
            return _labelled_list(query, passages, label, key in ("score", "scores"))
        case [str(query), str(passage)]:
            if key == "score" and label is not None:
                return TextList(query, [passage], [None], [label])
            return _labelled_list(query, [passage], [label], is_scored=False)
        case [str(query), *passages] if len(passages) > 1:
            return _tuple(query, passages, label)
    expected = "a query, and a positive and negatives or a list of passages, in this order, then scores"
    raise _Wrong(f"the columns {', '.join(row)}", expected)


def _labelled_list(query: str, passages: list[str], labels: Any, is_scored: bool) -> TextList:
    """The list of a row with a list of labels. In a list of scores, the first is the positive's, as in
    mine_hard_negatives."""
    if not isinstance(labels, list) or len(labels) != len(passages):
        raise _Wrong(f"{json.dumps(labels, default=str)[:60]} of {len(passages)} passages", "a label or score of each")
    if is_scored:
        return TextList(query, passages, [True, *[False] * (len(passages) - 1)], labels)
    if strange := [label for label in labels if label not in (0, 1)]:
        raise _Wrong(f"the label {json.dumps(strange[0], default=str)[:60]}", "0 or 1, or scores in a column `scores`")
    return TextList(query, passages, [label == 1 for label in labels], None)


def _tuple(query: str, passages: list[str], label: Any) -> TextList:
    """The list of a row with a column per passage. The label holds all scores, or, as for MarginMSELoss, margins."""
    flags = [True, *[False] * (len(passages) - 1)]
    labels = label if isinstance(label, list) else [label]
    if label is None:
        return TextList(query, passages, flags, None)
    if len(labels) == len(passages):
        return TextList(query, passages, flags, labels)
    if len(labels) == len(passages) - 1 and all(isinstance(one, int | float) for one in labels):
        return TextList(query, passages, flags, [0.0, *(-one for one in labels)], margins=True)
    raise _Wrong(f"{len(labels)} scores of {len(passages)} passages", "a score of each, or of each negative a margin")


_PARSERS: dict[str, Callable[[dict[str, Any]], TextList]] = {
    "flagembedding": _flagembedding,
    "sentence-transformers": _sentence_transformers,
}


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _parquet_rows(text: Text) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    number = 1
    try:
        with pq.ParquetFile(text.path) as file:
            for batch in file.iter_batches(_ROWS):
                yield list(enumerate(batch.to_pylist(), number))
                number += len(batch)
    except (pa.ArrowInvalid, OSError) as error:
        raise text.refused("", str(error)[:160], "a whole Parquet file") from error

"""Token ids, made once, in memory-mapped arrays: no tokenizer runs in a training or scoring loop."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from distilrank.artifacts.files import built
from distilrank.data.npy import growing_array
from distilrank.data.ragged import RaggedIds, Rows, StoredTexts, TripleRows
from distilrank.data.tokenizer import TOKENIZER_FILES, SpecialTokens, TextTokenizer
from distilrank.errors import MissingInput
from distilrank.progress import Advance


@dataclass(frozen=True)
class TokenStore:
    """The ids of a collection's queries and passages, and their bare token ids, cut to the configured lengths."""

    queries: RaggedIds
    passages: RaggedIds
    query_ids: pl.Series
    passage_ids: pl.Series
    special_tokens: SpecialTokens

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Maps the files that the stage `tokenize` wrote. Raises MissingInput."""
        built(directory / TOKENIZER_FILES[0])
        queries, query_ids = _open_ragged(directory, "queries")
        passages, passage_ids = _open_ragged(directory, "passages")
        return cls(queries, passages, query_ids, passage_ids, TextTokenizer(directory).special_tokens)

    def subset(self, query_ids: pl.Series, passage_ids: pl.Series) -> Self:
        """The store of some queries and passages, in memory. Raises MissingInput for an id that is not stored."""
        query_ids, passage_ids = query_ids.unique().sort(), passage_ids.unique().sort()
        return type(self)(
            self.queries.subset(self.query_rows(query_ids)),
            self.passages.subset(self.passage_rows(passage_ids)),
            query_ids,
            passage_ids,
            self.special_tokens,
        )

    @property
    def texts(self) -> StoredTexts:
        """The token ids without the ids of the texts."""
        return StoredTexts(self.queries, self.passages, self.special_tokens.pad)

    def query_rows(self, ids: pl.Series) -> Rows:
        return rows_of(ids, self.query_ids, "query")

    def passage_rows(self, ids: pl.Series) -> Rows:
        return rows_of(ids, self.passage_ids, "passage")

    def triple_rows(self, triples: pl.DataFrame) -> TripleRows:
        """The rows of triples (query_id, positive_id, negative_ids).

        Raises MissingInput for triples that differ in their number of negatives, and for an id that is not stored.
        """
        numbers = triples["negative_ids"].list.len().unique().sort().to_list()
        if len(numbers) != 1 or not numbers[0]:
            raise MissingInput(
                "triples",
                got=f"rows of {' and '.join(map(str, numbers)) or 'no'} negatives",
                expected="the same number in each row, at least 1",
                remedy="build them again: dvc repro",
            )
        positives = self.passage_rows(triples["positive_id"])
        negatives = self.passage_rows(triples["negative_ids"].explode()).reshape(-1, numbers[0])
        return TripleRows(self.query_rows(triples["query_id"]), np.column_stack([positives, negatives]))


def write_ragged(
    directory: Path,
    name: str,
    ids: pl.Series,
    texts: Iterable[Sequence[str]],
    tokenizer: TextTokenizer,
    length: int,
    advance: Advance,
    prefix: str = "",
) -> npt.NDArray[np.int64]:
    """Writes the first `length` tokens of each text, with the prefix before it. The texts come some at a time.

    Token ids are uint16 where the vocabulary allows it. Returns the number of tokens of each text (texts,) before it is
    cut.
    """
    kind = np.uint16 if tokenizer.vocabulary_size <= 2**16 else np.uint32
    lengths = [np.empty(0, np.int64)]
    with growing_array(directory / f"{name}.tokens.npy", kind) as append:
        for some in texts:
            rows = tokenizer.ids(some, prefix)
            append(np.concatenate([np.asarray(row[:length], kind) for row in rows]))
            lengths.append(np.asarray([len(row) for row in rows]))
            advance(len(rows))
    every = np.concatenate(lengths)
    if len(every) != len(ids):
        raise AssertionError(f"{len(every)} texts of {len(ids)} {name}")
    np.save(directory / f"{name}.offsets.npy", np.concatenate([[0], np.cumsum(np.minimum(every, length))]))
    pl.DataFrame({"id": ids}).write_parquet(directory / f"{name}.ids.parquet")
    return every


def _open_ragged(directory: Path, name: str) -> tuple[RaggedIds, pl.Series]:
    tokens = np.load(directory / f"{name}.tokens.npy", mmap_mode="r")
    offsets = np.load(directory / f"{name}.offsets.npy", mmap_mode="r")
    ids = pl.read_parquet(directory / f"{name}.ids.parquet")["id"]
    return RaggedIds(tokens, offsets), ids


def rows_of(wanted: pl.Series, known: pl.Series, what: str) -> Rows:
    """The positions of ids among the known ones, which ascend. Raises MissingInput for an unknown id."""
    rows, strange = find(wanted, known)
    if strange.any():
        first = wanted.filter(strange)[0]
        raise MissingInput(
            f"{what} '{first}'",
            got="an id that is not stored",
            expected=f"a {what} of the collection",
            remedy="build what is out of date: dvc repro",
        )
    return rows


def find(wanted: pl.Series, known: pl.Series) -> tuple[Rows, pl.Series]:
    """The positions of ids among the known ones, which ascend, and a mask of the unknown ids."""
    rows = np.minimum(known.search_sorted(wanted).to_numpy().astype(np.int64), len(known) - 1)
    return rows, known.gather(rows) != wanted

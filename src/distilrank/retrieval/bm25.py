"""BM25 over whole texts, with the tokenizer of bm25s."""

import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import Stemmer

from distilrank.data.runs import RUN_SCHEMA
from distilrank.data.tokens import rows_of
from distilrank.errors import CollectionError
from distilrank.retrieval.postings import Postings
from distilrank.sections.data import Candidates
from distilrank.workers.cores import usable_cores

if TYPE_CHECKING:
    from bm25s.tokenization import Tokenizer


class BM25:
    """An index in memory over passages, whose texts come some at a time. It takes eight bytes per term of a passage.

    Raises CollectionError if their texts hold no term.
    """

    def __init__(self, passage_ids: pl.Series, texts: Iterable[Sequence[str]], params: Candidates) -> None:
        self._passage_ids = passage_ids
        self._tokenizer = _tokenizer_class()(stemmer=Stemmer.Stemmer(params.stemmer) if params.stemmer else None)
        self._postings = Postings.made(map(self._learned_terms, texts), params)
        if self._postings.passages != len(passage_ids):
            raise CollectionError(
                "table passages",
                got=f"{self._postings.passages} texts",
                expected=f"one text for each of {len(passage_ids)} ids",
                remedy="build it again: dvc repro",
            )
        if not len(self._postings.rows):
            raise CollectionError(
                "table passages",
                got="no term in any text",
                expected="words of two letters or more that are not stop words",
                remedy="check the texts",
            )

    def search(self, query_ids: Sequence[str], texts: Sequence[str], depth: int) -> pl.DataFrame:
        """A run: the best `depth` passages of each query, without those that share no term with it."""
        terms = self._terms(texts)
        with ThreadPoolExecutor(usable_cores()) as threads:
            found = list(threads.map(lambda query: self._postings.best(query, depth), terms))
        rows, scores = (np.concatenate([np.empty(0), *parts]) for parts in zip(*found, strict=True))
        return pl.DataFrame(
            {
                "query_id": np.repeat(np.asarray(query_ids, object), [len(rows) for rows, _ in found]),
                "passage_id": self._passage_ids.gather(rows.astype(np.int64)),
                "score": scores,
            },
            schema=RUN_SCHEMA,
        )

    def score(self, queries: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
        """The pairs (query_id, passage_id) with a `score`, which is 0 where they share no term. `queries` is (query_id,
        text)."""
        asked = pairs.select("query_id").unique(maintain_order=True).join(queries, on="query_id", maintain_order="left")
        terms = dict(zip(asked["query_id"], self._terms(asked["text"].to_list()), strict=True))
        rows = rows_of(pairs["passage_id"], self._passage_ids, "passage").astype(np.int32)
        scored = [
            some.with_columns(score=pl.Series(self._postings.of(terms[query], rows[some["row"].to_numpy()])))
            for (query,), some in pairs.with_row_index("row").group_by("query_id", maintain_order=True)
        ]
        return pl.concat(scored).sort("row").drop("row")

    def _learned_terms(self, texts: Sequence[str]) -> list[list[int]]:
        """The terms of each text. The tokenizer learns new ones."""
        return list(self._tokenizer.streaming_tokenize(list(texts), update_vocab=True, allow_empty=False))

    def _terms(self, texts: Sequence[str]) -> list[list[int]]:
        """The terms of each text that some passage has."""
        terms: list[list[int]] = self._tokenizer.tokenize(
            list(texts), update_vocab=False, allow_empty=False, show_progress=False, return_as="ids"
        )
        return terms


@cache
def _tokenizer_class() -> "type[Tokenizer]":
    """The tokenizer of bm25s, without what bm25s imports but the tokenizer does not use.

    If bm25s can import JAX, JAX takes three quarters of a card's memory. The import of SciPy or Numba takes longer than
    that of the rest.
    """
    modules: dict[str, Any] = sys.modules
    hidden = set() if "bm25s" in modules else {"jax", "numba", "scipy"} - set(modules)
    modules.update(dict.fromkeys(hidden))  # an import of these fails
    try:
        from bm25s.tokenization import Tokenizer

        tokenizer: type[Tokenizer] = Tokenizer
    finally:
        for name in hidden:
            modules.pop(name, None)
    return tokenizer

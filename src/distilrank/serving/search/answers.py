"""What the search page shows: systems, example queries, and each system's answers to a query."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from itertools import chain
from threading import Lock
from typing import Any

import polars as pl
from pydantic import BaseModel

from distilrank.artifacts import layout
from distilrank.data.collection import WHOLE_TEXT, Collection
from distilrank.errors import InputError
from distilrank.matching import Matched, Word
from distilrank.results.search import with_texts
from distilrank.searching import Searchers, refuse_query
from distilrank.sections.data import BM25 as LEXICAL

MOST_SYSTEMS, MOST_HITS = 3, 50
_EXAMPLES = 8


class Piece(BaseModel):
    """A part of a text. A part that matched has a weight in (0, 1], and the query's words that it matched."""

    text: str
    weight: float = 0
    matches: list[str] = []


class Term(BaseModel):
    """An entry of the vocabulary that adds to a score, and which texts have it."""

    text: str
    weight: float
    in_query: bool
    in_passage: bool


class Shown(BaseModel):
    """A hit with its texts. `relevance` is the grade in the qrels, null if the passage is not judged."""

    passage_id: str
    score: float
    title: list[Piece]
    text: list[Piece]
    terms: list[Term]
    relevance: int | None


class Answer(BaseModel):
    """One system's hits, and the milliseconds from the query's text to their ids and scores."""

    system: str
    milliseconds: float
    hits: list[Shown]


class Answers(BaseModel):
    """The answers of the systems that were asked.

    `known` counts the passages that the qrels call relevant: those of the grade `lowest` or higher, as
    `evaluation.minimum_relevance` says. It is null if the qrels lack the query.
    """

    query: str
    known: int | None
    lowest: int
    highest: int
    answers: list[Answer]


class Listed(BaseModel):
    """A system, how it answers, and whether it is loaded."""

    name: str
    how: str
    ready: bool


class Systems(BaseModel):
    """All systems that can be asked, those that are compared by default, and queries to try."""

    systems: list[Listed]
    usual: list[str]
    examples: list[str]


class SearchAnswers:
    """Asks systems one at a time, so that none slows another's time."""

    def __init__(self, searchers: Searchers) -> None:
        self._searchers = searchers
        self._asking = Lock()

    def prepare(self) -> None:
        """Loads BM25 first, so that the page can answer at once, then the systems that are compared by default."""
        for name in chain([LEXICAL], self._compared()):
            with suppress(InputError):  # whoever asks the system is told
                self._searchers.load(name)

    def _compared(self) -> Iterator[str]:
        """The systems that are compared by default. Read after BM25 is loaded, because params.yaml takes long."""
        with suppress(InputError):
            yield from self._usual()

    def _usual(self) -> list[str]:
        return self._searchers.compared()[:MOST_SYSTEMS]

    def systems(self) -> Systems:
        searchers = self._searchers
        listed = [
            Listed(name=name, how=searchers.how(name), ready=searchers.is_loaded(name)) for name in searchers.names()
        ]
        return Systems(systems=listed, usual=self._usual(), examples=self._qrels.examples(_EXAMPLES))

    def answers(self, query: str, systems: Sequence[str], depth: int) -> Answers:
        """Each system's answer to a query.

        Raises InputError for a bad query or depth, or for an unknown system, and MissingInput.
        """
        refuse_query(query)
        if not 1 <= len(systems) <= MOST_SYSTEMS:
            raise InputError(
                "systems", got=f"{len(systems)} names", expected=f"1 to {MOST_SYSTEMS}", remedy="change their number"
            )
        if not 1 <= depth <= MOST_HITS:
            raise InputError("depth", got=depth, expected=f"1 to {MOST_HITS}", remedy="ask for a depth in this range")
        judged = self._qrels.of(query)
        lowest = self._searchers.lowest_relevant(self._qrels.splits(query)) if judged else 1
        return Answers(
            query=query,
            known=sum(relevance >= lowest for relevance in judged.values()) if judged else None,
            lowest=lowest,
            highest=self._qrels.highest,
            answers=[self._answer(query, name, depth, judged) for name in systems],
        )

    def _answer(self, query: str, name: str, depth: int, judged: Mapping[str, int]) -> Answer:
        searcher = self._searchers.load(name)
        with self._asking:
            began = time.perf_counter()
            hits = searcher.search(query, depth)
            took = time.perf_counter() - began
            found = with_texts(hits, layout.COLLECTION, self._searchers.updated(name))
            rows = found.with_columns(passage=WHOLE_TEXT)
            matched = searcher.matched(query, rows["passage"].to_list())
        heaviest = max((word.weight for one in matched for word in one.words), default=1)
        shown = [
            _shown(row, one, heaviest, judged.get(row["passage_id"]))
            for row, one in zip(rows.iter_rows(named=True), matched, strict=True)
        ]
        return Answer(system=name, milliseconds=round(1000 * took, 1), hits=shown)

    @cached_property
    def _qrels(self) -> "_Qrels":
        return _Qrels(Collection.read(layout.COLLECTION))


class _Qrels:
    """The qrels, by a query's text."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self.highest = int(collection.qrels.select(pl.col("relevance").max().fill_null(0)).item())

    def of(self, query: str) -> dict[str, int]:
        """The relevance of the passages judged for a query; empty for a query that is not in the collection."""
        judged = self._collection.qrels.join(self._asked(query), on="query_id", how="semi")
        return dict(judged.group_by("passage_id").agg(pl.col("relevance").max()).iter_rows())

    def splits(self, query: str) -> list[str]:
        """The splits that have a query: train, dev or test sets."""
        return self._asked(query)["split"].unique().sort().to_list()

    def _asked(self, query: str) -> pl.DataFrame:
        return self._collection.queries.filter(pl.col("text") == query.strip())

    def examples(self, most: int) -> list[str]:
        """Test queries with qrels, spread over the whole set."""
        queries = self._collection.queries.join(self._collection.test_qrels(), on="query_id", how="semi")
        return queries["text"].gather_every(max(1, len(queries) // most)).head(most).to_list()


def _shown(row: Mapping[str, Any], matched: Matched, heaviest: float, relevance: int | None) -> Shown:
    """A hit as the page shows it. A ranker reads the title, if there is one, then a space, then the text."""
    title, text = row["title"], row["text"]
    return Shown(
        passage_id=row["passage_id"],
        score=row["score"],
        title=_pieces(title, matched.words, heaviest, 0),
        text=_pieces(text, matched.words, heaviest, len(row["passage"]) - len(text)),
        terms=[Term(**asdict(term)) for term in matched.terms],
        relevance=relevance,
    )


def _pieces(text: str, words: Sequence[Word], heaviest: float, begin: int) -> list[Piece]:
    """The text, cut into parts at the words that matched. `begin` is its offset in the passage that was read."""
    pieces, done = [], 0
    for word in words:
        start, end = word.place[0] - begin, word.place[1] - begin
        if done <= start < end <= len(text):
            pieces.append(Piece(text=text[done:start]))
            pieces.append(Piece(text=text[start:end], weight=word.weight / heaviest, matches=word.query))
            done = end
    pieces.append(Piece(text=text[done:]))
    return [piece for piece in pieces if piece.text]

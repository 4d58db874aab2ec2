"""What of a passage matched a query, in words of its text: for people to see why a ranker scored it so."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from distilrank.data.tokenizer import Span
from distilrank.rankers.matches import Match, TermMatch, TokenMatch

if TYPE_CHECKING:
    from distilrank.model import Model


@dataclass(frozen=True)
class Word:
    """A word of the passage by its place, the words of the query that it matched, and their weight together."""

    place: Span
    query: list[str]
    weight: float


@dataclass(frozen=True)
class Term:
    """An entry of the vocabulary, its part of the score, and whether the texts have it; else a ranker added it."""

    text: str
    weight: float
    in_query: bool
    in_passage: bool


@dataclass(frozen=True)
class Matched:
    """Words in their order; terms by weight. Both are empty where an architecture does not tell."""

    words: list[Word] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)


def matched(model: "Model", query: str, passages: Sequence[str]) -> list[Matched]:
    """What a ranker matched in each passage."""
    if not passages:
        return []
    texts = _Texts(model, query)
    return [texts.matched(*each) for each in zip(passages, model.matches(query, passages), strict=True)]


class _Texts:
    """A query, and what a ranker reads of texts."""

    def __init__(self, model: "Model", query: str) -> None:
        self._tokenizer, self._config = model.tokenizer, model.ranker.config
        self._query = query
        self._places = self._tokenizer.words(query, self._config.query_prefix)[: self._config.query_length]
        [ids] = self._tokenizer.ids([query], self._config.query_prefix)
        self._ids = ids[: self._config.query_length]

    def matched(self, passage: str, matches: Sequence[Match]) -> Matched:
        if not matches:
            return Matched()
        length, prefix = self._config.passage_length, self._config.passage_prefix
        places = self._tokenizer.words(passage, prefix)[:length]
        [ids] = self._tokenizer.ids([passage], prefix)
        terms = [self._term(match, ids[:length]) for match in matches if isinstance(match, TermMatch)]
        return Matched(self._words(list(self._by_place(matches, places, ids[:length]))), terms)

    def _by_place(
        self, matches: Sequence[Match], places: list[Span], ids: list[int]
    ) -> Iterator[tuple[Span, str, float]]:
        """The place of each word that matched, the word of the query, and the weight."""
        for match in matches:
            if isinstance(match, TokenMatch):
                yield places[match.passage], self._asked(match.query), match.weight
            else:
                asked = [self._asked(place) for place, term in enumerate(self._ids) if term == match.term]
                word = asked[0] if asked else self._tokenizer.token(match.term)
                here = (place for place, term in zip(places, ids, strict=True) if term == match.term)
                yield from ((place, word, match.weight) for place in here)

    def _words(self, found: list[tuple[Span, str, float]]) -> list[Word]:
        weights: dict[Span, float] = defaultdict(float)
        asked: dict[Span, dict[str, None]] = defaultdict(dict)
        for place, word, weight in found:
            if place[0] < place[1] and weight > 0:
                weights[place] += weight
                asked[place][word] = None
        return [Word(place, list(asked[place]), weight) for place, weight in sorted(weights.items())]

    def _term(self, match: TermMatch, ids: list[int]) -> Term:
        return Term(self._tokenizer.token(match.term), match.weight, match.term in self._ids, match.term in ids)

    def _asked(self, place: int) -> str:
        start, end = self._places[place]
        return self._query[start:end]

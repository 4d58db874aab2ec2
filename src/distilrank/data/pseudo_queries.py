"""Queries made from passages without a model: titles, sentences, or the words that distinguish a passage.

Each maker takes passages (passage_id, title, text) and gives the queries of each, or none if nothing suits.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain, islice

import polars as pl

from distilrank.data.lots import lot_of
from distilrank.sections.pseudo import Mixed, PhraseKeys, Phrases, PseudoQueries, SentenceKeys, Sentences, Titles

Make = Callable[[pl.DataFrame], list[list[str]]]
PSEUDO = "pseudo"  # the test set of the held-out pseudo-queries
_SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"[^\W_]+")
_SHORTEST_WORD = 3


def maker(section: PseudoQueries, passages: Callable[[], Iterable[pl.DataFrame]]) -> Make:
    """What makes queries without a model. `passages` gives the whole collection, to count its words."""
    if isinstance(section, Titles):
        return titles
    if isinstance(section, Sentences):
        return lambda some: sentences(some, section)
    if isinstance(section, Phrases):
        return phrases(section, passages())
    assert isinstance(section, Mixed)
    return mixed(section, passages())


def mixed(section: Mixed, passages: Iterable[pl.DataFrame]) -> Make:
    """Titles first, then sentences, then phrases."""
    makers = [titles, lambda some: sentences(some, section), phrases(section, passages)]
    return lambda some: [list(chain.from_iterable(made)) for made in zip(*(make(some) for make in makers), strict=True)]


def titles(passages: pl.DataFrame) -> list[list[str]]:
    return [[title] if title else [] for title in (_line(one) for one in passages["title"])]


def sentences(passages: pl.DataFrame, section: SentenceKeys) -> list[list[str]]:
    """`per_passage` random sentences of each passage. The draw depends only on the passage's id and the seed."""
    made = []
    for passage_id, text in passages.select("passage_id", "text").iter_rows():
        every = {_line(one) for one in _SENTENCE_ENDS.split(text or "")}
        fitting = [one for one in every if section.minimum_words <= len(one.split()) <= section.maximum_words]
        lots = {one: lot_of(f"{section.seed} {passage_id} {one}") for one in fitting}
        made.append(sorted(fitting, key=lots.__getitem__)[: section.per_passage])
    return made


def phrases(section: PhraseKeys, passages: Iterable[pl.DataFrame]) -> Make:
    """Makes queries of distinctive words. A word counts once per passage that has it."""
    counts: Counter[str] = Counter()
    number = 0
    for some in passages:
        for words in _words(some):
            counts.update(set(words))
        number += len(some)

    def telling(words: list[str]) -> Iterable[str]:
        """Queries from the best words down. Of words that are equally good, the earlier goes first."""
        often = Counter(words)
        weights = {word: often[word] * math.log((1 + number) / counts[word]) for word in often}
        best = sorted(weights, key=lambda word: -weights[word])
        first = {word: place for place, word in reversed([*enumerate(words)])}
        for start in range(0, len(best) - section.words + 1, section.words):
            yield " ".join(sorted(best[start : start + section.words], key=lambda word: first[word]))

    return lambda some: [list(islice(telling(words), section.per_passage)) for words in _words(some)]


def _words(passages: pl.DataFrame) -> Iterable[list[str]]:
    for title, text in passages.select(pl.col("title", "text").fill_null("")).iter_rows():
        yield [word for word in _WORD.findall(f"{title} {text}".lower()) if len(word) >= _SHORTEST_WORD]


def _line(text: str | None) -> str:
    """The text on one line, without white space around it."""
    return " ".join((text or "").split())

"""Queries that are made of passages without a model."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distilrank.data.collection import SCHEMAS
from distilrank.data.pseudo_queries import phrases, sentences, titles
from distilrank.sections.pseudo import Phrases, Sentences


def passages(*texts: str, title: str = "") -> pl.DataFrame:
    rows = [(f"p{number}", title, text) for number, text in enumerate(texts)]
    return pl.DataFrame(rows, schema=SCHEMAS["passages"], orient="row")


def test_titles_are_one_line_each_and_an_empty_one_asks_nothing() -> None:
    given = pl.concat([passages("a", title="Heart \n attack"), passages("b", title="  ")])
    assert titles(given) == [["Heart attack"], []]


def test_sentences_are_those_of_fitting_length_each_once() -> None:
    section = Sentences(by="sentences", minimum_words=3, maximum_words=5, per_passage=9)
    text = "Too short. The heart pumps blood! The heart pumps blood! It does so all of the time for years. Is that\nso?"
    assert sentences(passages(text), section) == [["The heart pumps blood!"]]


@given(st.lists(st.text(st.sampled_from("ab .!?\n"), max_size=40), max_size=6), st.integers(1, 3))
def test_a_passages_sentences_do_not_depend_on_the_others(texts: list[str], per_passage: int) -> None:
    section = Sentences(by="sentences", minimum_words=1, per_passage=per_passage)
    together, alone = sentences(passages(*texts), section), [
        sentences(passages(*texts)[row : row + 1], section)[0] for row in range(len(texts))
    ]  # fmt: skip
    assert together == alone
    assert all(len(some) == len(set(some)) <= per_passage for some in together)
    assert all(
        sentence in " ".join(text.split()) for text, some in zip(texts, together, strict=True) for sentence in some
    )


def test_phrases_are_the_words_that_tell_a_passage_apart_in_its_order() -> None:
    # By hand: "valve" stands twice and in one of three passages, so weighs 2 ln 4; "leaks" and "old" ln 4; "the" and
    # "heart", which are in more, less. Of words alike the first goes first.
    given = passages("the heart leaks: valve, old valve", "the heart beats", "the heart rests")
    make = phrases(Phrases(by="phrases", words=2, per_passage=2), [given])
    assert make(given) == [["leaks valve", "the old"], ["the beats"], ["the rests"]]


@pytest.mark.parametrize("text", ["", "to of", "!!!"])
def test_a_passage_with_too_few_words_asks_nothing(text: str) -> None:
    given = passages(text)
    assert phrases(Phrases(by="phrases", words=2), [given])(given) == [[]]

"""BM25 against its formula, worked out here."""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import bm25s
import numpy as np
import polars as pl
import pytest
import Stemmer

from distilrank.errors import CollectionError
from distilrank.retrieval.bm25 import BM25
from distilrank.sections.data import Candidates

SRC = Path(__file__).parents[2] / "src"
TEXTS = ["red apple pie", "green apple", "blue sky blue water", "red red wine"]
PARAMS = Candidates(depth=4, k1=0.9, b=0.4)


def score(query: str, text: str) -> float:
    """Robertson's formula with Lucene's idf; every word of these texts is a term."""
    documents = [line.split() for line in TEXTS]
    mean_length = sum(map(len, documents)) / len(documents)
    words, total = text.split(), 0.0
    for term in query.split():
        holding = sum(term in document for document in documents)
        idf = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        frequency = words.count(term)
        norm = PARAMS.k1 * (1 - PARAMS.b + PARAMS.b * len(words) / mean_length)
        total += idf * frequency / (frequency + norm)
    return total


def test_scores_follow_the_formula() -> None:
    bm25 = BM25(pl.Series(["a", "b", "c", "d"]), [TEXTS], PARAMS)
    found = {row[1]: row[2] for row in bm25.search(["q"], ["red apple"], 4).iter_rows()}
    assert set(found) == {"a", "b", "d"}
    for passage_id, value in found.items():
        assert value == pytest.approx(score("red apple", TEXTS["abcd".index(passage_id)]), rel=1e-5)


def test_a_query_that_shares_no_term_finds_nothing() -> None:
    bm25 = BM25(pl.Series(["a", "b", "c", "d"]), [TEXTS], PARAMS)
    found = bm25.search(["q", "r", "s"], ["unheard of", "wine", "of the"], 4)
    assert found["query_id"].to_list() == ["r"]


def test_ties_at_the_cut_are_drawn_from_all_passages() -> None:
    bm25 = BM25(pl.Series([f"p{number:04}" for number in range(2000)]), [["same words"] * 2000], PARAMS)
    found = bm25.search(["q"], ["same"], 200)["passage_id"].str.slice(1).cast(pl.Int64)
    assert found.equals(bm25.search(["q"], ["same"], 200)["passage_id"].str.slice(1).cast(pl.Int64))
    # 200 draws from 0 to 1999: the mean is 999.5, with a standard error of 577 / sqrt(200) = 41.
    assert found.n_unique() == 200
    assert abs(found.mean() - 999.5) < 3 * 41


def test_passages_without_a_term_are_refused() -> None:
    with pytest.raises(CollectionError, match="no term in any text"):
        BM25(pl.Series(["a", "b"]), [["of the", "x"]], PARAMS)


def test_as_many_texts_as_ids() -> None:
    with pytest.raises(CollectionError, match="got 2 texts, expected one text for each of 3 ids"):
        BM25(pl.Series(["a", "b", "c"]), [["red apple"], ["wine"]], PARAMS)


# With and without an ending that stemming takes off.
WORDS = np.array([f"{letter}{ending}" for letter in "bcdfghklmp" for ending in ("alt", "alts", "alted", "ep")])


def some_texts(number: int, seed: int) -> list[str]:
    """With words as unequally frequent as those of a language, and many texts alike."""
    random = np.random.default_rng(seed)
    return [" ".join(WORDS[np.minimum(random.zipf(1.3, random.integers(1, 9)), 40) - 1]) for _ in range(number)]


def test_stems_meet() -> None:
    bm25 = BM25(pl.Series(["a", "b", "c", "d"]), [TEXTS], PARAMS.model_copy(update={"stemmer": "english"}))
    found = {row[1]: row[2] for row in bm25.search(["q"], ["Apples, winery, blueing"], 4).iter_rows()}
    # `apples` is `appl`, as `apple` is; `blueing` is `blue`; `winery` is no `wine`.
    assert set(found) == {"a", "b", "c"}
    for passage_id, value in found.items():
        assert value == pytest.approx(score("apple blue", TEXTS["abcd".index(passage_id)]), rel=1e-5)
    plain = BM25(pl.Series(["a", "b", "c", "d"]), [TEXTS], PARAMS)
    assert plain.search(["q"], ["Apples, winery, blueing"], 4).is_empty()


@pytest.mark.parametrize("stemmer", [None, "english"])
@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_scores_are_those_of_bm25s_however_the_texts_come(at_once: int, stemmer: Literal["english"] | None) -> None:
    texts, queries = some_texts(300, 1), some_texts(20, 2)
    params = PARAMS.model_copy(update={"stemmer": stemmer})
    stem = Stemmer.Stemmer(stemmer) if stemmer else None
    ids = pl.Series([f"p{number:03}" for number in range(300)])
    batches = [texts[start : start + at_once] for start in range(0, 300, at_once)]
    found = BM25(ids, batches, params).search([str(number) for number in range(20)], queries, 300)
    peer = bm25s.BM25(k1=PARAMS.k1, b=PARAMS.b)
    peer.index(bm25s.tokenize(texts, stemmer=stem, return_ids=False, show_progress=False), show_progress=False)
    for number, terms in enumerate(bm25s.tokenize(queries, stemmer=stem, return_ids=False, show_progress=False)):
        expected = {ids[row]: score for row, score in enumerate(peer.get_scores(terms)) if score > 0}
        ours = found.filter(pl.col("query_id") == str(number))
        assert dict(zip(ours["passage_id"], ours["score"], strict=True)) == pytest.approx(expected, rel=1e-5)


def test_the_cut_is_that_of_the_whole_order() -> None:
    """Many texts are alike, so that scores tie at most cuts."""
    texts, queries = some_texts(300, 3), some_texts(30, 4)
    bm25 = BM25(pl.Series([f"p{number:03}" for number in range(300)]), [texts], PARAMS)
    for query in queries:
        whole = bm25.search(["q"], [query], 300)
        assert whole["score"].equals(whole["score"].sort(descending=True))
        for depth in (1, 2, 10, 50):
            assert bm25.search(["q"], [query], depth).equals(whole.head(depth))


def test_many_queries_at_once_are_answered_as_one_by_one() -> None:
    bm25 = BM25(pl.Series([f"p{number:03}" for number in range(300)]), [some_texts(300, 5)], PARAMS)
    queries = some_texts(50, 6)
    ids = [f"q{number}" for number in range(50)]
    one_by_one = pl.concat(bm25.search([id_], [query], 20) for id_, query in zip(ids, queries, strict=True))
    assert bm25.search(ids, queries, 20).equals(one_by_one)


@pytest.mark.parametrize("stemmer", [None, "english"])
def test_pairs_score_as_bm25s_scores_them(stemmer: Literal["english"] | None) -> None:
    """Those without a term in common score 0."""
    params = PARAMS.model_copy(update={"stemmer": stemmer})
    passage_ids = pl.Series(["a", "b", "c", "d"])
    queries = pl.DataFrame({"query_id": ["q", "r", "s"], "text": ["red apples", "unheard of", "water wine red red"]})
    pairs = queries.select("query_id").join(passage_ids.rename("passage_id").to_frame(), how="cross")
    shuffled = pairs.sample(fraction=1, shuffle=True, seed=1)
    scored = BM25(passage_ids, [TEXTS], params).score(queries, shuffled)
    assert scored.drop("score").equals(shuffled)
    snowball = Stemmer.Stemmer(stemmer) if stemmer else None
    peer = bm25s.BM25(k1=params.k1, b=params.b)
    peer.index(bm25s.tokenize(TEXTS, stemmer=snowball, show_progress=False), show_progress=False)
    tokens = bm25s.tokenize(queries["text"].to_list(), stemmer=snowball, return_ids=False, show_progress=False)
    expected = np.concatenate([peer.get_scores(words) for words in tokens])
    found = pairs.join(scored, on=["query_id", "passage_id"], maintain_order="left")["score"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (expected[4:8] == 0).all()


@pytest.mark.parametrize("name", ["jax", "numba", "scipy"])
def test_what_the_tokenizer_does_not_use_is_not_imported(name: str, tmp_path: Path) -> None:
    """bm25s imports it where it can. On a machine with a card, JAX then takes three quarters of the card's memory."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("print('imported')")
    code = (
        "import sys, polars as pl; from distilrank.retrieval.bm25 import BM25;"
        "from distilrank.sections.data import Candidates;"
        f"BM25(pl.Series(['a']), [['red apple']], Candidates()); print('built'); import {name}"
    )

    told = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": f"{tmp_path}:{SRC}"},
                          capture_output=True, text=True, check=True).stdout  # fmt: skip

    assert told == "built\nimported\n"

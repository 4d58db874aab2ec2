"""What an architecture tells of a score: the pairs of tokens or the terms that made it up, as words of the texts."""

from pathlib import Path

import pytest
import torch
from tests.rankers.examples import OPTIONS, saved_backbone, small_ranker

from distilrank.data.tokenizer import TextTokenizer
from distilrank.matching import matched
from distilrank.model import Model
from distilrank.rankers.inputs import text_batch
from distilrank.rankers.matches import TermMatch, TokenMatch, largest_products

QUERY = "delete notifications quickly"
PASSAGES = ["Deletes the notification configuration.", "a", "", "Lists buckets; deletes nothing, notifies nobody."]


@pytest.fixture(scope="module")
def models(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = saved_backbone("bert", tmp_path_factory.mktemp("bert"))
    tokenizer = TextTokenizer(backbone)
    names = ("cat", "prettr", "dot", "colbert-normalised", "colbert-expanded", "tk", "splade")
    return {name: Model(small_ranker(OPTIONS[name], folder, tokenizer), tokenizer) for name in names}


@pytest.mark.parametrize(("name", "begin"), [("colbert-normalised", 1), ("colbert-expanded", 1), ("tk", 0)])
def test_a_token_matches_the_one_with_the_highest_product(models: dict[str, Model], name: str, begin: int) -> None:
    """By loops over every pair; one that is most similar to a special token matches nothing."""
    model = models[name]
    with torch.inference_mode():
        query = model.ranker.encode_queries(text_batch([QUERY], 12, model.tokenizer)).values[0]
        for number, (passage, found) in enumerate(zip(PASSAGES, model.matches(QUERY, PASSAGES), strict=True)):
            vectors = model.ranker.encode_passages(text_batch([passage], 24, model.tokenizer))
            words, expected = len(model.tokenizer.ids([passage])[0]), []
            for token in range(len(model.tokenizer.ids([QUERY])[0])):
                products = [
                    float(query[begin + token] @ one)
                    for one, real in zip(vectors.values[0], vectors.mask[0], strict=True)
                    if real
                ]
                best = max(range(len(products)), key=products.__getitem__, default=-1)
                if begin <= best < begin + words:
                    expected.append((token, best - begin, products[best]))
            assert [(one.query, one.passage) for one in found if isinstance(one, TokenMatch)] == [
                pair[:2] for pair in expected
            ], number
            assert [one.weight for one in found] == pytest.approx([one[2] for one in expected], abs=1e-4)


def test_all_products_of_terms_add_up_to_the_score(models: dict[str, Model]) -> None:
    model = models["splade"]
    with torch.inference_mode():
        query = model.ranker.encode_queries(text_batch([QUERY], 12, model.tokenizer))
        passages = model.encode(PASSAGES)
        every = largest_products(query, passages, query.values.shape[2])
    sums = [sum(one.weight for one in terms) for terms in every]
    assert sums == pytest.approx(model.score_encoded(QUERY, passages).tolist(), rel=1e-3)
    for terms, largest in zip(every, model.matches(QUERY, PASSAGES), strict=True):
        assert all(isinstance(one, TermMatch) for one in largest)
        weights = [one.weight for one in largest]
        assert weights == sorted(weights, reverse=True)
        assert weights == pytest.approx([one.weight for one in terms[: len(largest)]], rel=1e-3)


@pytest.mark.parametrize("name", ["cat", "prettr", "dot"])
def test_other_architectures_tell_nothing(models: dict[str, Model], name: str) -> None:
    assert all(not one.words and not one.terms for one in matched(models[name], QUERY, PASSAGES))


@pytest.mark.parametrize("name", ["colbert-normalised", "tk", "splade"])
def test_whole_words_are_marked(models: dict[str, Model], name: str) -> None:
    """Also of a ranker that reads a prefix before each text, and of one that reads the beginning alone."""
    model = models[name]
    for prefixed, length in (("", 24), ("passage: ", 24), ("", 4)):
        model.ranker.config.passage_prefix, model.ranker.config.passage_length = prefixed, length
        for passage, one in zip(PASSAGES, matched(model, QUERY, PASSAGES), strict=True):
            words = [passage[slice(*word.place)] for word in one.words]
            assert set(words) <= {"Deletes", "the", "notification", "configuration", ".", "a", "Lists", "buckets", ";",
                                  "deletes", "nothing", ",", "notifies", "nobody"}  # fmt: skip
            assert all(word.weight > 0 for word in one.words)
            if isinstance((model.matches(QUERY, [passage])[0] or [None])[0], TokenMatch):
                assert {asked for word in one.words for asked in word.query} <= set(QUERY.split())
    model.ranker.config.passage_prefix, model.ranker.config.passage_length = "", 24


def test_a_term_says_which_text_has_it(models: dict[str, Model]) -> None:
    model = models["splade"]
    in_query, in_passage = model.tokenizer.ids([QUERY])[0], model.tokenizer.ids([PASSAGES[0]])[0]
    found = zip(model.matches(QUERY, PASSAGES[:1])[0], matched(model, QUERY, PASSAGES[:1])[0].terms, strict=True)
    for match, term in found:
        assert isinstance(match, TermMatch)
        assert (term.in_query, term.in_passage) == (match.term in in_query, match.term in in_passage)


def test_words_are_places_in_the_text_without_the_prefix(backbone: Path) -> None:
    text = "  unaffable naïve\tcafé 日本 x"
    tokenizer = TextTokenizer(backbone)
    for prefix in ("", "query: ", "un"):
        places = tokenizer.words(text, prefix)
        assert len(places) == len(tokenizer.ids([text], prefix)[0])
        words = [text[start:end] for start, end in places]
        own = words[len(tokenizer.ids([prefix])[0]) :] if prefix == "query: " else words
        assert [word for word in dict.fromkeys(own) if word][-4:] == ["café", "日", "本", "x"]
        assert "naïve" in own
    assert {text[start:end] for start, end in tokenizer.words(text)} == {"unaffable", "naïve", "café", "日", "本", "x"}

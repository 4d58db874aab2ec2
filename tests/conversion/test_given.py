"""Checkpoints that others trained, as rankers: they score as their own libraries do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conversion.checkpoints import (
    FAMILIES,
    PASSAGES,
    QUERIES,
    cross_encoder,
    multi_vector,
    saved,
    sentence_transformer,
)
from torch import nn
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from distilrank.conversion.export import export_model
from distilrank.conversion.given import save_given
from distilrank.errors import CheckpointError, InputError
from distilrank.model import Model
from distilrank.rankers.base import Ranker
from distilrank.sections.data import GivenTokens, Tokens

LONG = "word bucket fleet " * 30
LENGTHS, AS_IT_IS = Tokens(query_length=20, passage_length=40), GivenTokens()


def given(folder: Path, target: Path, asked: GivenTokens = AS_IT_IS, lengths: Tokens = LENGTHS) -> Ranker:
    target.mkdir()
    return save_given(folder, target, asked, lengths)


def own_scores(model: Path, queries: list[str] = QUERIES, passages: list[str] = PASSAGES) -> np.ndarray:
    """Of each query with the passage at its place, as whoever loads the saved ranker gets them."""
    loaded = Model.load(model)
    return np.array([loaded.score(query, [passage])[0] for query, passage in zip(queries, passages, strict=True)])


def agree(theirs: Any, own: np.ndarray) -> None:
    assert own.std() > 0.01
    np.testing.assert_allclose(np.asarray(theirs), own, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_classifier_of_any_family_scores_by_its_logit(family: str, backbone: Path, tmp_path: Path) -> None:
    folder = saved(family, backbone, tmp_path / "theirs", labels=1)
    ranker = given(folder, tmp_path / "own")
    assert ranker.params.architecture == ("cat" if family == "bert" else "classifier")
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        logits = model(**tokenizer(QUERIES, PASSAGES, padding=True, return_tensors="pt")).logits[:, 0]
    agree(logits, own_scores(tmp_path / "own"))
    together = Model.load(tmp_path / "own").score(QUERIES[0], PASSAGES)
    np.testing.assert_allclose(together[0], logits[0], atol=1e-4)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_a_cross_encoder_scores_without_its_activation(family: str, backbone: Path, tmp_path: Path) -> None:
    folder = saved(family, backbone, tmp_path / "classifier", labels=1)
    prompt = {"prompts": {"ask": "question: "}, "default_prompt_name": "ask"} if family == "roberta" else {}
    theirs = cross_encoder(folder, tmp_path / "theirs", **prompt)
    given(tmp_path / "theirs", tmp_path / "own")
    pairs = list(zip(QUERIES, PASSAGES, strict=True))
    agree(theirs.predict(pairs, activation_fn=nn.Identity()), own_scores(tmp_path / "own"))


@pytest.mark.parametrize(
    ("family", "made"),
    [
        ("bert", {"pooling": "cls", "similarity_fn_name": "dot"}),
        ("bert", {"pooling": "mean", "dense": 12, "normalise": True}),
        ("roberta", {"pooling": "mean", "prompts": {"query": "query: ", "passage": "passage:"}}),
        ("modernbert", {"pooling": "cls", "dense": 8, "similarity_fn_name": "dot", "prompts": {"query": "find "}}),
        ("distilbert", {"prompts": {"all": "text: "}, "default_prompt_name": "all"}),
    ],
)
def test_a_sentence_transformer_scores_by_its_own_similarity(
    family: str, made: dict[str, Any], backbone: Path, tmp_path: Path
) -> None:
    theirs = sentence_transformer(saved(family, backbone, tmp_path / "encoder"), tmp_path / "theirs", **made)
    given(tmp_path / "theirs", tmp_path / "own")
    encoded = theirs.encode_query(QUERIES), theirs.encode_document(PASSAGES)
    agree(theirs.similarity_pairwise(*encoded), own_scores(tmp_path / "own"))


@pytest.mark.parametrize(
    ("family", "made"),
    [
        ("bert", {"skipped": [".", ","], "prompts": {"query": "ask: ", "document": "[unused0] "}}),
        ("bert", {"expansion": {"strategy": "fixed", "attend": False, "length": 24}}),
        ("roberta", {"prompts": {"query": "query: "}}),
    ],
)
def test_a_multi_vector_encoder_scores_by_maxsim(
    family: str, made: dict[str, Any], backbone: Path, tmp_path: Path
) -> None:
    theirs = multi_vector(saved(family, backbone, tmp_path / "encoder"), tmp_path / "theirs", **made)
    given(tmp_path / "theirs", tmp_path / "own")
    encoded = theirs.encode_query(QUERIES), theirs.encode_document(PASSAGES)
    agree(theirs.similarity_pairwise(*encoded), own_scores(tmp_path / "own"))


def test_a_plain_encoder_is_mean_pooled_and_compared_by_cosine(backbone: Path, tmp_path: Path) -> None:
    folder = saved("electra", backbone, tmp_path / "theirs")
    given(folder, tmp_path / "own")
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)

    def mean(text: str) -> torch.Tensor:
        return model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)

    with torch.inference_mode():
        pairs = zip(QUERIES, PASSAGES, strict=True)
        cosines = [float(torch.cosine_similarity(mean(query), mean(passage), dim=0)) for query, passage in pairs]
    agree(cosines, own_scores(tmp_path / "own"))


@pytest.mark.parametrize("form", ["dot", "colbert", "cat"])
def test_what_is_given_and_exported_is_what_was_given(form: str, backbone: Path, tmp_path: Path) -> None:
    """With its prompts and the words it skips: an export is read again by its library, and here."""
    prompts = {"prompts": {"query": "query: ", "document": "passage: "}}
    encoder = saved("bert", backbone, tmp_path / "encoder", labels=1 if form == "cat" else None)
    if form == "dot":
        sentence_transformer(encoder, tmp_path / "theirs", dense=12, **prompts)
    elif form == "colbert":
        multi_vector(encoder, tmp_path / "theirs", skipped=["."], **prompts)
    else:
        cross_encoder(encoder, tmp_path / "theirs", prompts={"query": "query: "}, default_prompt_name="query")
    given(tmp_path / "theirs", tmp_path / "own")
    export_model(tmp_path / "own", tmp_path / "exported")
    given(tmp_path / "exported", tmp_path / "again")
    agree(own_scores(tmp_path / "own"), own_scores(tmp_path / "again"))
    assert Model.load(tmp_path / "again").ranker.config.query_prefix == "query: "


def test_a_ranker_of_ours_is_given_as_it_is_but_for_what_is_asked(backbone: Path, tmp_path: Path) -> None:
    sentence_transformer(saved("bert", backbone, tmp_path / "encoder"), tmp_path / "theirs")
    given(tmp_path / "theirs", tmp_path / "own")
    asked = GivenTokens(query_length=6, passage_prefix="text: ")
    given(tmp_path / "own", tmp_path / "again", asked, Tokens(query_length=3, passage_length=3))
    config = Model.load(tmp_path / "again").ranker.config
    assert (config.query_length, config.passage_length, config.passage_prefix) == (6, 40, "text: ")


def test_texts_are_cut_where_the_library_cuts_them(backbone: Path, tmp_path: Path) -> None:
    """The prefix counts toward the length."""
    made = {"prompts": {"query": "a query: "}}
    theirs = sentence_transformer(saved("bert", backbone, tmp_path / "encoder"), tmp_path / "theirs", **made)
    theirs[0].query_length, theirs[0].document_length = 12, 22
    theirs.save(str(tmp_path / "cut"), create_model_card=False)
    given(tmp_path / "cut", tmp_path / "own")
    config = Model.load(tmp_path / "own").ranker.config
    assert (config.query_length, config.passage_length) == (10, 20)
    queries, passages = [LONG, *QUERIES], [LONG, *PASSAGES]
    encoded = theirs.encode_query(queries), theirs.encode_document(passages)
    agree(theirs.similarity_pairwise(*encoded), own_scores(tmp_path / "own", queries, passages))


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _code_of_its_own(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "surprise", "auto_map": {"AutoConfig": "modeling.Config"}}
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda backbone, folder: saved("roberta", backbone, folder, labels=3), "a classifier of 3 labels"),
        (lambda backbone, folder: _no_weights(saved("bert", backbone, folder)), "no model.safetensors"),
        (lambda backbone, folder: _code_of_its_own(saved("bert", backbone, folder)), "whose code comes with it"),
        (lambda backbone, folder: saved("bert", backbone, folder, is_decoder=True), "a decoder without a classifier"),
        (
            lambda backbone, folder: sentence_transformer(saved("bert", backbone, folder / "0"), folder, "max"),
            "got the pooling",
        ),
        (
            lambda backbone, folder: sentence_transformer(
                saved("bert", backbone, folder / "0"), folder, dense=8, activation=nn.Tanh()
            ),
            r"got Dense with Tanh\(\)",
        ),
        (
            lambda backbone, folder: sentence_transformer(
                saved("bert", backbone, folder / "0"), folder, similarity_fn_name="euclidean"
            ),
            "got the similarity euclidean",
        ),
        (lambda _, folder: folder.mkdir(), "no config.json"),
    ],
)
def test_what_cannot_be_a_teacher_is_refused(
    make: Callable[[Path, Path], object], message: str, backbone: Path, tmp_path: Path
) -> None:
    make(backbone, tmp_path / "theirs")
    with pytest.raises(CheckpointError, match=message):
        given(tmp_path / "theirs", tmp_path / "own")


def test_a_checkpoint_with_too_few_positions_is_refused(backbone: Path, tmp_path: Path) -> None:
    folder = saved("roberta", backbone, tmp_path / "theirs", labels=1)
    with pytest.raises(InputError, match="got 78 positions for its longest input"):
        given(folder, tmp_path / "own", lengths=Tokens(query_length=20, passage_length=60))

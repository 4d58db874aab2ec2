"""Checkpoints that others trained, as rankers: they score as their own libraries do."""

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
LENGTHS = Tokens(query_length=20, passage_length=40)


def given(folder: Path, target: Path, asked: GivenTokens = GivenTokens(), lengths: Tokens = LENGTHS) -> Ranker:
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


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("expanded", [False, True])
def test_a_multi_vector_encoder_scores_by_maxsim(family: str, expanded: bool, backbone: Path, tmp_path: Path) -> None:
    if family == "roberta" and expanded:
        pytest.skip("its tokenizer has no mask")
    expansion = {"strategy": "fixed", "attend": False, "length": 24}
    made = {"transformer": {"query_expansion": expansion if expanded else None}, "prompts": {"query": "ask: "}}
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

"""PreTTR against an implementation in numpy, of its paper (SIGIR 2020, section 3) on BERT's weights."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tests.rankers.examples import (
    EXACT,
    LENGTHS,
    OPTIONS,
    PARAMS,
    assert_close,
    assert_scores_stand_alone,
    row,
    rows,
    saved_backbone,
    small_ranker,
)

from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.prettr.model import PrettrRanker

Matrix = npt.NDArray[np.float64]
CLS, SEP, MASK = 101, 102, 103
HEADS, WIDTH = 4, 32


@pytest.fixture
def ranker(backbone: Path, tmp_path: Path) -> PrettrRanker:
    ranker = small_ranker(PARAMS["prettr"], saved_backbone("bert", tmp_path), TextTokenizer(backbone))
    assert isinstance(ranker, PrettrRanker)
    return ranker


@pytest.mark.parametrize(("name", "masks"), [("prettr", 0), ("prettr-masks", 3)])
def test_it_scores_as_the_paper_has_it(name: str, masks: int, backbone: Path, tmp_path: Path) -> None:
    ranker = small_ranker(OPTIONS[name], saved_backbone("bert", tmp_path), TextTokenizer(backbone))
    # Behind [CLS], the longest query, [SEP], and what else stands behind a query.
    start = LENGTHS.query_length + 2 + masks
    queries, passages = rows(3, 7, width=8, seed=1), rows(20, 4, width=24, seed=2)
    weights = {name: weight.detach().double().numpy() for name, weight in ranker.named_parameters()}
    expected = []
    for query, passage in zip(
        (queries.ids[number, real].tolist() for number, real in enumerate(queries.mask)),
        (passages.ids[number, real].tolist() for number, real in enumerate(passages.mask)),
        strict=True,
    ):
        first = numpy_layer(numpy_embedded([CLS, *query, SEP, *[MASK] * masks], 0, 0, weights), 0, weights)
        second = numpy_layer(numpy_embedded([*passage, SEP], start, 1, weights), 0, weights)
        joined = np.concatenate([first, second])
        for layer in (1, 2):
            joined = numpy_layer(joined, layer, weights)
        expected.append(joined[0] @ weights["head.weight"][0] + weights["head.bias"][0])
    with torch.inference_mode():
        # In training nothing is stored, so nothing is rounded.
        assert_close(ranker.train().score(queries, passages).double(), torch.tensor(np.array(expected)), 1e-4)


def numpy_embedded(tokens: list[int], start: int, segment: int, weights: dict[str, Matrix]) -> Matrix:
    table = "backbone.embeddings.{}_embeddings.weight".format
    positions = weights[table("position")][start : start + len(tokens)]
    words = weights[table("word")][tokens] + positions + weights[table("token_type")][segment]
    return numpy_norm(words, "backbone.embeddings.LayerNorm", weights)


def numpy_layer(states: Matrix, number: int, weights: dict[str, Matrix]) -> Matrix:
    name = f"backbone.encoder.layer.{number}."
    query, key, value = (linear(states, f"{name}attention.self.{one}", weights) for one in ("query", "key", "value"))
    read = []
    for part in np.split(np.arange(WIDTH), HEADS):
        similarity = np.exp(query[:, part] @ key[:, part].T / math.sqrt(WIDTH / HEADS))
        read.append(similarity / similarity.sum(1, keepdims=True) @ value[:, part])
    attended = linear(np.concatenate(read, 1), f"{name}attention.output.dense", weights)
    states = numpy_norm(states + attended, f"{name}attention.output.LayerNorm", weights)
    hidden = linear(states, f"{name}intermediate.dense", weights)
    gelu = hidden * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2))) / 2
    return numpy_norm(states + linear(gelu, f"{name}output.dense", weights), f"{name}output.LayerNorm", weights)


def linear(states: Matrix, name: str, weights: dict[str, Matrix]) -> Matrix:
    product: Matrix = states @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    return product


def numpy_norm(states: Matrix, name: str, weights: dict[str, Matrix]) -> Matrix:
    centred = states - states.mean(1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def test_in_full_precision_scores_stand_alone_to_the_last_digits(ranker: PrettrRanker) -> None:
    assert_scores_stand_alone(ranker.train(), EXACT)


def test_a_stored_passage_is_what_it_is_in_any_batch(ranker: PrettrRanker) -> None:
    passages = rows(20, 4, 11, width=24, seed=2)
    with torch.inference_mode():
        together = ranker.encode_passages(passages)
        assert together.values.dtype == torch.float16
        for number in range(3):
            alone = ranker.encode_passages(row(passages, number))
            stored = together.values[number, together.mask[number]]
            # One step of float16 at most, where a sum falls on the other side of a rounding.
            torch.testing.assert_close(stored, alone.values[0], atol=1e-3, rtol=1e-3)


def test_stored_passages_score_as_those_of_training_but_for_rounding(ranker: PrettrRanker) -> None:
    queries, passages = rows(3, 7, width=8, seed=1), rows(9, 4, width=12, seed=2)
    with torch.inference_mode():
        stored, full = ranker.eval().score(queries, passages), ranker.train().score(queries, passages)
    assert_close(stored, full, 5e-3)


def test_the_halves_add_no_weights_of_their_own(ranker: PrettrRanker) -> None:
    names = {name.split(".")[0] for name, _ in ranker.named_parameters()}
    assert names == {"backbone", "head"}
    own = {id(parameter) for parameter in ranker.backbone.parameters()}
    assert {id(parameter) for half in ranker._halves for parameter in half.parameters()} == own

"""TK against an implementation in numpy, of its paper (arXiv 2002.01854, section 3)."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tests.rankers.examples import LENGTHS, begun, rows, saved_backbone

from distilrank.artifacts.files import sha256_of
from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import Ranker
from distilrank.rankers.loading import begin_ranker, load_ranker, pretrained
from distilrank.rankers.tk.model import TkRanker
from distilrank.rankers.tk.params import Glove, TkParams
from distilrank.sections.training import Training
from distilrank.training.learning_rates import parameter_groups

Matrix = npt.NDArray[np.float64]
HEADS = 8  # the most, up to 10, that divide a width of 32
MEANS = [1.0, 0.9, 0.7, 0.5, 0.3, 0.1, -0.1, -0.3, -0.5, -0.7, -0.9]


@pytest.fixture(scope="module")
def ranker(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> TkRanker:
    folder = saved_backbone("bert", tmp_path_factory.mktemp("bert"))
    ranker = begun(TkParams(architecture="tk"), pretrained(folder), TextTokenizer(backbone))
    assert isinstance(ranker, TkRanker)
    # Away from where it starts, so that nothing is hidden by ones and zeros.
    for name, parameter in ranker.named_parameters():
        if name.startswith("context"):
            torch.nn.init.normal_(parameter, mean=1.0 if name.endswith("norm1.weight") else 0.0, std=0.3)
    ranker.mixing.data.fill_(0.3)
    ranker.kernel_log_scale.data.uniform_(math.log(0.01), math.log(0.5))
    return ranker


def test_it_scores_as_the_paper_has_it(ranker: TkRanker) -> None:
    queries, passages = rows(3, 7, width=8, seed=1), rows(20, 4, width=24, seed=2)
    # A word of the query in the passage, so that the kernel of exact matches has something to count.
    passages.ids[0, 5] = queries.ids[0, 1]
    weights = {name: weight.detach().double().numpy() for name, weight in ranker.named_parameters()}
    expected = [
        numpy_score(weights, queries.ids[number, queries.mask[number]].numpy(), passages.ids[number, real].numpy())
        for number, real in enumerate(passages.mask)
    ]
    with torch.inference_mode():
        torch.testing.assert_close(
            ranker.score(queries, passages), torch.tensor(expected).float(), atol=1e-4, rtol=1e-4
        )


def numpy_score(weights: dict[str, Matrix], query: npt.NDArray[Any], passage: npt.NDArray[Any]) -> float:
    cosines = vectors(weights, query, 0) @ vectors(weights, passage, 500).T
    logs = []
    for mean, scale in zip(MEANS, np.exp(weights["kernel_log_scale"]), strict=True):
        soft_counts = np.exp(-((cosines - mean) ** 2) / (2 * 0.1**2)).sum(1)
        logs.append(np.log(np.maximum(soft_counts * scale, 1e-10)).sum())
    return float(weights["head.weight"][0] @ logs)


def vectors(weights: dict[str, Matrix], tokens: npt.NDArray[Any], start: int) -> Matrix:
    words = weights["embeddings.weight"][tokens]
    context = words + waves(len(tokens), words.shape[1], start)
    for layer in range(2):
        own = {name: weights[f"context.layers.{layer}.{name}"] for name in NAMES}
        context = transformer_layer(context, own)
    mixed = weights["mixing"] * words + (1 - weights["mixing"]) * context
    length: Matrix = np.linalg.norm(mixed, axis=1, keepdims=True)
    return mixed / length


NAMES = [
    *("self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight", "self_attn.out_proj.bias"),
    *("linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"),
    *("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"),
]


def waves(length: int, width: int, start: int) -> Matrix:
    half = width // 2
    table = np.zeros((length, width))
    for place in range(length):
        for number in range(half):
            angle = (start + place) / 10_000 ** (number / (half - 1))
            table[place, number], table[place, half + number] = np.sin(angle), np.cos(angle)
    return table


def transformer_layer(states: Matrix, own: dict[str, Matrix]) -> Matrix:
    query, key, value = np.split(states @ own["self_attn.in_proj_weight"].T + own["self_attn.in_proj_bias"], 3, axis=1)
    read = []
    for head in range(HEADS):
        part = slice(head * 32 // HEADS, (head + 1) * 32 // HEADS)
        similarity = np.exp(query[:, part] @ key[:, part].T / np.sqrt(32 / HEADS))
        read.append(similarity / similarity.sum(1, keepdims=True) @ value[:, part])
    attended = np.concatenate(read, 1) @ own["self_attn.out_proj.weight"].T + own["self_attn.out_proj.bias"]
    states = norm(states + attended, own["norm1.weight"], own["norm1.bias"])
    hidden = np.maximum(states @ own["linear1.weight"].T + own["linear1.bias"], 0)
    return norm(states + hidden @ own["linear2.weight"].T + own["linear2.bias"], own["norm2.weight"], own["norm2.bias"])


def norm(states: Matrix, weight: Matrix, bias: Matrix) -> Matrix:
    centred = states - states.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * weight + bias


def test_a_passage_at_the_querys_positions_would_score_otherwise(ranker: Ranker) -> None:
    same = rows(5, width=5, seed=3)
    with torch.inference_mode():
        queries, passages = ranker.encode_queries(same), ranker.encode_passages(same)
    assert (queries.values - passages.values).abs().max() > 0.01


def test_words_begin_as_the_backbones_word_pieces(ranker: TkRanker, tmp_path: Path) -> None:
    source = pretrained(saved_backbone("bert", tmp_path)).get_input_embeddings().weight
    torch.testing.assert_close(ranker.embeddings.weight, source / source.std())
    assert ranker.embeddings.weight.std().item() == pytest.approx(1, abs=1e-3)


def test_words_begin_as_those_of_a_glove_file_which_a_trained_ranker_needs_no_more(
    backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("collections/glove.txt")
    file.parent.mkdir()
    file.write_text("queue 1 2 3 4 5\nbucket -1 -2 0 0 1\n", "utf-8")
    params = TkParams(architecture="tk", glove=Glove(location=str(file), checksum=f"sha256:{sha256_of(file)}"))
    tokenizer = TextTokenizer(backbone)
    ranker = begun(params, pretrained(saved_backbone("bert", tmp_path / "bert")), tokenizer)
    [[number]] = tokenizer.ids(["queue"])
    assert isinstance(ranker, TkRanker)
    vector = ranker.embeddings.weight[number].detach()
    torch.testing.assert_close(vector / vector[0], torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))
    ranker.save_pretrained("model")
    file.unlink()
    pair = (rows(3, width=3, seed=1), rows(5, width=5, seed=2))
    torch.testing.assert_close(load_ranker(Path("model")).score(*pair), ranker.score(*pair))


def test_kernels_and_embeddings_may_learn_at_rates_of_their_own(ranker: TkRanker) -> None:
    parts = ranker.parts()
    assert set(parts) == set(TkParams(architecture="tk").parts)
    assert {id(one) for one in parts["kernels"]} == {id(ranker.kernel_log_scale), id(ranker.head.weight)}
    assert {id(one) for one in parts["embeddings"]} == {id(ranker.embeddings.weight)}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_margins_of_matching_words_are_learned_at_the_demos_rates_whatever_the_seed(
    seed: int, backbone: Path, tmp_path: Path
) -> None:
    """Adam moves each weight by about its rate per step, however small the weight is."""
    tokenizer = TextTokenizer(backbone)
    source = pretrained(saved_backbone("bert", tmp_path / "bert"))
    torch.manual_seed(seed)
    ranker = begin_ranker(TkParams(architecture="tk"), source, LENGTHS, tokenizer)
    assert isinstance(ranker, TkRanker)
    queries, passages = rows(*[6] * 8, width=6, seed=seed), rows(*[16] * 16, width=16, seed=seed + 10)
    matching = torch.arange(8) % 4 + 1  # words that a query has in common with its positive
    for query, number in enumerate(matching.tolist()):
        passages.ids[2 * query, :number] = queries.ids[query, :number]
    wanted = 3.0 * matching
    rates = Training(
        steps=50, batch_size=8, learning_rate=3e-4, part_learning_rates={"kernels": 1e-2, "embeddings": 1e-2},
        warmup_share=0, validate_every=50, patience=None, seed=seed,
    )  # fmt: skip
    optimizer = torch.optim.Adam(parameter_groups(ranker, rates))
    for _ in range(50):
        scores = ranker.score(queries, passages).view(8, 2)
        loss = ((scores[:, 0] - scores[:, 1] - wanted) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1 * (wanted**2).mean()


def test_its_layers_are_as_wide_as_the_params_say(backbone: Path, tmp_path: Path) -> None:
    source = pretrained(saved_backbone("bert", tmp_path))
    wide = begun(TkParams(feed_forward=300), source, TextTokenizer(backbone))
    assert wide.get_parameter("context.layers.1.linear1.weight").shape == (300, 32)


def test_a_kernel_that_is_pushed_down_for_some_steps_can_come_back(ranker: TkRanker) -> None:
    """Ten of Adam's steps of 1e-2 are ten times the scale that a kernel starts at."""
    kernels, own = ranker.parts()["kernels"][0], ranker.parts()["kernels"][0].detach().clone()
    torch.nn.init.constant_(kernels, math.log(0.01))
    optimizer = torch.optim.Adam([kernels], lr=1e-2)
    for _ in range(10):
        kernels.grad = torch.ones_like(kernels)
        optimizer.step()
    ranker.zero_grad()
    queries, passages = rows(3, width=3, seed=1), rows(5, width=5, seed=2)
    passages.ids[0, :3] = queries.ids[0]
    ranker.score(queries, passages).sum().backward()
    assert kernels.grad is not None
    assert kernels.grad[0] != 0, "the kernel of exact matches"
    kernels.data.copy_(own)

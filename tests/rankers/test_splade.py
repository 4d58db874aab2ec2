"""SPLADE against transformers' masked language models and plain torch, and what its head starts from."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.rankers.examples import FAMILIES, LENGTHS, rows, saved_backbone
from torch import Tensor
from transformers import AutoModelForMaskedLM, PreTrainedModel

from distilrank.data.tokenizer import TextTokenizer
from distilrank.errors import BackboneError
from distilrank.rankers.base import TokenBatch
from distilrank.rankers.loading import begin_ranker, check_fits, load_ranker, pretrained, pretrained_config, trained
from distilrank.rankers.splade import model as splade
from distilrank.rankers.splade.model import SpladeRanker
from distilrank.rankers.splade.params import SpladeParams

CLS, SEP = 101, 102
PAIRS = (rows(3, 7, 5, width=8, seed=1), rows(20, 4, 11, width=24, seed=2))


@pytest.fixture(scope="module")
def tokenizer(backbone: Path) -> TextTokenizer:
    return TextTokenizer(backbone)


def saved_masked(family: str, directory: Path) -> PreTrainedModel:
    """A masked language model whose weights, the biases too, are all drawn; its checkpoint is in the folder."""
    torch.manual_seed(0)
    masked: PreTrainedModel = AutoModelForMaskedLM.from_config(FAMILIES[family]).eval()
    for name, weight in masked.named_parameters():
        if any(part in name for part in ("cls.", "vocab_")):
            torch.nn.init.normal_(weight, std=0.2)
    masked.save_pretrained(directory)
    return masked


def begun(folder: Path, tokenizer: TextTokenizer, layers: int = 4) -> SpladeRanker:
    ranker = begin_ranker(SpladeParams(layers=layers), pretrained(folder), LENGTHS, tokenizer).eval()
    assert isinstance(ranker, SpladeRanker)
    return ranker


def by_hand(masked: PreTrainedModel, batch: TokenBatch, number: int) -> Tensor:
    """One text's vector (vocabulary,), without padding: the formula as the paper has it."""
    tokens = batch.ids[number][batch.mask[number]].tolist()
    logits = masked(input_ids=torch.tensor([[CLS, *tokens, SEP]])).logits[0]
    return torch.log(1 + torch.relu(logits)).max(0).values


@pytest.mark.parametrize("at_once", [splade._MOST_LOGITS, 1])
@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_vectors_and_scores_are_those_of_the_masked_language_model(
    family: str, at_once: int, tokenizer: TextTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked = saved_masked(family, tmp_path)
    ranker = begun(tmp_path, tokenizer)
    monkeypatch.setattr(splade, "_MOST_LOGITS", at_once)
    with torch.inference_mode():
        queries, passages = ([by_hand(masked, batch, number) for number in range(3)] for batch in PAIRS)
        encoded = ranker.encode_passages(PAIRS[1])
        scores = ranker.score(*PAIRS)
    assert encoded.values.shape == (3, 1, 30522)
    torch.testing.assert_close(encoded.values[:, 0], torch.stack(passages), atol=1e-5, rtol=1e-5)
    expected = torch.stack([query @ passage for query, passage in zip(queries, passages, strict=True)])
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=1e-5)
    assert expected.std() > 1


@pytest.mark.parametrize("at_once", [splade._MOST_LOGITS, 1])
def test_gradients_are_those_of_the_masked_language_model(
    at_once: int, tokenizer: TextTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked = saved_masked("bert", tmp_path)
    ranker = begun(tmp_path, tokenizer)
    monkeypatch.setattr(splade, "_MOST_LOGITS", at_once)
    weights = torch.linspace(-1, 1, 3)
    (ranker.score(*PAIRS) * weights).sum().backward()
    scores = torch.stack([by_hand(masked, PAIRS[0], number) @ by_hand(masked, PAIRS[1], number) for number in range(3)])
    (scores * weights).sum().backward()
    # The table of word embeddings learns as the first layer and as the decoder.
    for own, theirs in {
        "backbone.embeddings.word_embeddings.weight": "bert.embeddings.word_embeddings.weight",
        "head.dense.weight": "cls.predictions.transform.dense.weight",
        "head.bias": "cls.predictions.bias",
    }.items():
        got, expected = ranker.get_parameter(own).grad, masked.get_parameter(theirs).grad
        assert got is not None
        assert expected is not None
        # Where two tokens' logits are a rounding apart, the maximum is the one here and the other there.
        assert float((got - expected).norm() / expected.norm()) < 1e-3, own


@pytest.mark.parametrize(
    ("family", "dense"), [("bert", "cls.predictions.transform.dense"), ("distilbert", "vocab_transform")]
)
def test_the_head_of_a_checkpoint_is_taken_with_fewer_layers_too(
    family: str, dense: str, tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    saved_masked(family, tmp_path)
    check_fits(SpladeParams(layers=2), pretrained_config(tmp_path), LENGTHS, tokenizer)
    head = begun(tmp_path, tokenizer, layers=2).head
    held = load_file(tmp_path / "model.safetensors")
    torch.testing.assert_close(head.dense.weight.data, held[f"{dense}.weight"], atol=0, rtol=0)


def test_tensorflows_names_of_a_norm_are_known(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    saved_masked("bert", tmp_path)
    expected = begun(tmp_path, tokenizer).head.state_dict()
    file = tmp_path / "model.safetensors"
    older = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): weight
        for name, weight in load_file(file).items()
    }
    save_file(older, file, {"format": "pt"})
    for name, weight in begun(tmp_path, tokenizer).head.state_dict().items():
        torch.testing.assert_close(weight, expected[name], atol=0, rtol=0)


def test_a_head_of_another_vocabulary_is_refused(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    saved_masked("bert", tmp_path)
    file = tmp_path / "model.safetensors"
    save_file(load_file(file) | {"cls.predictions.bias": torch.zeros(7)}, file, {"format": "pt"})
    with pytest.raises(BackboneError, match=r"weight bias of .* head .*: got shape \(7,\), expected shape \(30522,\)"):
        begun(tmp_path, tokenizer)


def test_a_trained_rankers_layers_come_without_a_head(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    saved_masked("bert", tmp_path / "backbone")
    begun(tmp_path / "backbone", tokenizer).save_pretrained(tmp_path / "trained")
    student = begin_ranker(SpladeParams(layers=2), trained(tmp_path / "trained"), LENGTHS, tokenizer)
    torch.testing.assert_close(student.get_parameter("head.dense.weight").data, torch.eye(32), atol=0, rtol=0)


def test_a_texts_own_words_are_among_its_highest_entries_at_the_start(backbone: Path, tokenizer: TextTokenizer) -> None:
    ranker = begun(backbone, tokenizer, layers=2)
    texts = ["amazon queue message attributes", "creates a new role for your account", "list the vehicles of a fleet"]
    for text in texts:
        ids = torch.tensor(tokenizer.ids([text])[0])
        with torch.inference_mode():
            values = ranker.encode_passages(TokenBatch(ids[None], torch.ones(1, len(ids), dtype=torch.bool))).values
        highest = set(values[0, 0].topk(2 * len(ids) + 2).indices.tolist())
        assert highest.issuperset(ids.tolist()), text


def test_word_embeddings_are_saved_once_and_scores_stay_the_same(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    ranker = begun(saved_backbone("bert", tmp_path / "backbone"), tokenizer)
    torch.nn.init.normal_(ranker.head.bias)
    ranker.save_pretrained(tmp_path / "saved")
    large = [name for name, one in load_file(tmp_path / "saved" / "model.safetensors").items() if one.numel() > 30522]
    assert large == ["backbone.embeddings.word_embeddings.weight"]
    with torch.inference_mode():
        loaded = load_ranker(tmp_path / "saved")
        torch.testing.assert_close(loaded.score(*PAIRS), ranker.score(*PAIRS), atol=0, rtol=0)


def test_a_training_in_bfloat16_has_float32_scores_and_gradients(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    ranker = begun(saved_backbone("bert", tmp_path), tokenizer).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = ranker.score(*PAIRS)
    scores.sum().backward()
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, ranker.score(*PAIRS), atol=0.5, rtol=0.03)
    assert {one.grad.dtype for one in ranker.parameters() if one.grad is not None} == {torch.float32}

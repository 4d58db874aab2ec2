"""What makes rankers faster changes no score: packed sequences, compiled layers; and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.rankers.examples import FAMILIES, OPTIONS, assert_close, begun, rows, saved_backbone

from distilrank.data.tokenizer import TextTokenizer
from distilrank.errors import InputError
from distilrank.rankers.acceleration import VARIABLE, Acceleration
from distilrank.rankers.loading import load_ranker, pretrained
from distilrank.rankers.transformer import TransformerRanker

Save = Callable[[str, str], Path]
PAIRS = (rows(3, 12, 5, 1, width=12, seed=1), rows(24, 2, 11, 7, width=24, seed=2))


@pytest.fixture(scope="module")
def save(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Save:
    """Saves a ranker on random weights of a family."""

    def saved(option: str, family: str) -> Path:
        directory = tmp_path_factory.mktemp(family)
        source = pretrained(saved_backbone(family, directory / "backbone"))
        begun(OPTIONS[option], source, TextTokenizer(backbone)).save_pretrained(directory / "ranker")
        return directory / "ranker"

    return saved


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "electra-projected"])
@pytest.mark.parametrize("option", ["cat", "cat, pooler", "colbert-expanded", "dot, mean", "prettr"])
@torch.inference_mode()
def test_packed_sequences_score_as_padded_ones_do(
    option: str, family: str, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    if option == "cat, pooler" and family.startswith("electra"):
        pytest.skip("ELECTRA has no pooler")
    directory = save(option, family)
    expected = load_ranker(directory).score(*PAIRS)
    monkeypatch.setenv(VARIABLE, "attention=packed")
    ranker = load_ranker(directory)
    assert isinstance(ranker, TransformerRanker)
    read: list[torch.Size] = []
    ranker.backbone.embeddings.register_forward_hook(lambda _module, _inputs, states: read.append(states.shape))
    assert_close(ranker.score(*PAIRS), expected, 1e-5)
    if option.startswith("cat"):
        # Query, passage, [CLS] and two [SEP] of each pair, and nothing else.
        assert read[0][:2] == (1, sum(q + p + 3 for q, p in zip((3, 12, 5, 1), (24, 2, 11, 7), strict=True)))


@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_a_backbone_that_cannot_be_packed_scores_as_before(
    family: str, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = save("dot, mean", family)
    expected = load_ranker(directory).score(*PAIRS)
    monkeypatch.setenv(VARIABLE, "attention=packed")
    assert_close(load_ranker(directory).score(*PAIRS), expected, 1e-5)


def test_packed_attention_trains_as_padded_does(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only inference packs: a training reads padded batches."""
    directory = save("cat", "bert")
    gradients = []
    for acceleration in ("", "attention=packed"):
        monkeypatch.setenv(VARIABLE, acceleration)
        ranker = load_ranker(directory).train()
        (ranker.score(*PAIRS) ** 2).sum().backward()
        gradients.append(torch.cat([one.grad.flatten() for one in ranker.parameters() if one.grad is not None]))
    assert_close(gradients[1], gradients[0], 1e-4)


@pytest.mark.parametrize("option", ["cat", "dot, mean", "prettr"])
@torch.inference_mode()
def test_compiled_layers_score_as_others_do(option: str, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = save(option, "bert")
    expected = load_ranker(directory).score(*PAIRS)
    monkeypatch.setenv(VARIABLE, "compile")
    # The graphs are captured, and run as they are: generating code for them takes minutes.
    monkeypatch.setattr(torch.nn.Module, "compile", _captured)
    assert_close(load_ranker(directory).score(*PAIRS), expected, 1e-5)


def _captured(layer: torch.nn.Module, dynamic: bool) -> None:
    layer._compiled_call_impl = torch.compile(layer._call_impl, backend="aot_eager", dynamic=dynamic)


def test_nothing_is_on_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert Acceleration.chosen() == Acceleration("sdpa", compiled=False, graphs=False, streams=1)
    monkeypatch.setenv(VARIABLE, "attention=eager, compile,streams=3")
    assert Acceleration.chosen() == Acceleration("eager", compiled=True, graphs=False, streams=3)
    monkeypatch.setenv(VARIABLE, "graphs")
    assert Acceleration.chosen() == Acceleration(graphs=True)


def test_graphs_and_several_streams_do_not_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "graphs,streams=2")
    with pytest.raises(InputError, match="expected graphs or streams above 1, not both"):
        Acceleration.chosen()


@pytest.mark.parametrize("given", ["attention=fast", "streams=0", "streams=two", "compiled", "compile=yes", "streams"])
def test_what_is_unknown_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, given)
    with pytest.raises(InputError, match=f"{VARIABLE}: got '{given}', expected a list of attention="):
        Acceleration.chosen()


def test_flash_attention_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "attention=flash_attention_2")
    with pytest.raises(InputError, match="expected flash-attn installed"):
        Acceleration.chosen()

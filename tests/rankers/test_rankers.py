"""What every architecture promises, on the real backbone with few layers."""

from pathlib import Path

import pytest
import torch

from distilrank.data.tokens import SpecialTokens
from distilrank.errors import BackboneError
from distilrank.params import CatRanker as CatParams
from distilrank.params import DotRanker as DotParams
from distilrank.params import Params
from distilrank.rankers.architectures import begin_ranker, load_ranker
from distilrank.rankers.base import Ranker, TokenBatch

CLS, SEP = 101, 102
PARAMS = [
    CatParams(architecture="cat", layers=2),
    DotParams(architecture="dot", layers=2, pooling="cls"),
    DotParams(architecture="dot", layers=2, pooling="mean"),
]


@pytest.fixture(params=PARAMS, ids=["cat", "dot-cls", "dot-mean"])
def ranker(request: pytest.FixtureRequest, backbone: Path, tiny_params: Params) -> Ranker:
    torch.manual_seed(0)
    return begin_ranker(request.param, backbone, tiny_params.tokens, SpecialTokens(CLS, SEP, 0)).eval()


def rows(*lengths: int, width: int, seed: int) -> TokenBatch:
    """Random tokens of these lengths, padded to `width`."""
    ids = torch.randint(1000, 20000, (len(lengths), width), generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(width) < torch.tensor(lengths).unsqueeze(1)
    return TokenBatch(ids.masked_fill(~mask, 0), mask)


def row(batch: TokenBatch, number: int) -> TokenBatch:
    """One row on its own, without padding."""
    real = batch.mask[number]
    return TokenBatch(batch.ids[number, real].unsqueeze(0), real[real].unsqueeze(0))


def test_scores_depend_neither_on_padding_nor_on_the_rest_of_the_batch(ranker: Ranker) -> None:
    queries, passages = rows(3, 7, 5, width=9, seed=1), rows(20, 4, 11, width=24, seed=2)
    with torch.inference_mode():
        together = ranker(queries, passages)
        alone = torch.cat([ranker(row(queries, number), row(passages, number)) for number in range(3)])
        turned = ranker(
            TokenBatch(queries.ids.flip(0), queries.mask.flip(0)),
            TokenBatch(passages.ids.flip(0), passages.mask.flip(0)),
        ).flip(0)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together, turned, atol=1e-5, rtol=1e-5)


def test_encoding_apart_and_interacting_equals_forward(ranker: Ranker) -> None:
    queries, passages = rows(3, 7, width=8, seed=1), rows(9, 4, 11, 6, width=12, seed=2)
    with torch.inference_mode():
        apart = ranker.interact(ranker.encode_queries(queries).repeat(2), ranker.encode_passages(passages))
        torch.testing.assert_close(apart, ranker(queries, passages))
    assert apart.dtype == torch.float32
    assert apart.shape == (4,)


def test_gradients_reach_every_parameter(ranker: Ranker) -> None:
    ranker(rows(3, 7, width=8, seed=1), rows(9, 4, width=12, seed=2)).sum().backward()
    without = [name for name, parameter in ranker.named_parameters() if parameter.grad is None]
    assert without == []


def test_saved_and_loaded_it_gives_the_same_scores(ranker: Ranker, tmp_path: Path) -> None:
    ranker.save_pretrained(tmp_path)
    queries, passages = rows(3, 7, width=8, seed=1), rows(9, 4, width=12, seed=2)
    with torch.inference_mode():
        torch.testing.assert_close(
            load_ranker(tmp_path)(queries, passages), ranker(queries, passages), atol=1e-6, rtol=1e-6
        )
    assert {file.name for file in tmp_path.iterdir()} == {"config.json", "model.safetensors"}


def test_a_pair_is_framed_as_cls_query_sep_passage_sep(ranker: Ranker) -> None:
    ids, mask, segments = ranker.framed(rows(2, 3, width=4, seed=1), rows(3, 1, width=5, seed=2))
    assert ids.shape == (2, 8)
    assert mask.sum(1).tolist() == [8, 7]
    assert ids[0, 0] == CLS
    assert (ids[0] == SEP).nonzero().flatten().tolist() == [3, 7]
    assert (ids[1] == SEP).nonzero().flatten().tolist() == [4, 6]
    assert segments[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert ids[1, 7] == 0


def test_it_starts_from_the_backbones_lower_layers(ranker: Ranker, backbone: Path) -> None:
    from safetensors.torch import load_file

    weights = load_file(backbone / "model.safetensors")
    own = dict(ranker.backbone.named_parameters())
    assert len(own) > 30
    for name, parameter in own.items():
        torch.testing.assert_close(parameter.data, weights[name], atol=0, rtol=0)


def test_more_layers_than_the_backbone_has_are_refused(backbone: Path, tiny_params: Params) -> None:
    with pytest.raises(BackboneError, match="got 6 layers, expected at least 7"):
        begin_ranker(CatParams(architecture="cat", layers=7), backbone, tiny_params.tokens, SpecialTokens(101, 102, 0))

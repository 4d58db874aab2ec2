"""What a training begins from: which layers are taken, and which of a ranker's own modules come along with them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.rankers.examples import LENGTHS, saved_backbone

from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.errors import BackboneError
from distilrank.rankers.base import Ranker
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.colbert.params import ColbertParams
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.halves import layers_of
from distilrank.rankers.origin import Origin
from distilrank.rankers.params import RankerParams
from distilrank.rankers.splade.params import SpladeParams
from distilrank.rankers.transformer import TransformerRanker

FAMILIES = ("bert", "distilbert", "electra", "roberta", "modernbert")


def dot(layers: int, **settings: Any) -> DotParams:
    return DotParams(layers=layers, pooling="cls", **settings)


def begun(folder: Path, backbone: Path, params: RankerParams, layers: tuple[int, ...] | None = None) -> Ranker:
    return Origin(folder, layers).begin(params, LENGTHS, TextTokenizer(backbone))


def saved(params: RankerParams, backbone: Path, folder: Path) -> Path:
    """A ranker of three layers, all of whose weights are its own."""
    ranker = begun(saved_backbone("bert", folder), backbone, params)
    with torch.no_grad():
        for weight in ranker.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    ranker.save_pretrained(folder / "ranker")
    copy_tokenizer(backbone, folder / "ranker")
    return folder / "ranker"


def weights_of_layers(ranker: Ranker) -> list[dict[str, torch.Tensor]]:
    assert isinstance(ranker, TransformerRanker)
    return [layer.state_dict() for layer in layers_of(ranker.backbone)]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_layers_that_are_named_are_taken_in_their_order(family: str, backbone: Path, tmp_path: Path) -> None:
    folder = saved_backbone(family, tmp_path)
    whole = weights_of_layers(begun(folder, backbone, dot(3)))
    taken = weights_of_layers(begun(folder, backbone, dot(2), (0, 2)))
    lowest = weights_of_layers(begun(folder, backbone, dot(2)))
    for expected, got in ((whole[0], taken[0]), (whole[2], taken[1]), (whole[1], lowest[1])):
        assert expected.keys() == got.keys()
        assert all(torch.equal(expected[name], got[name]) for name in expected)


def test_a_layer_that_is_not_there_is_refused(backbone: Path, tmp_path: Path) -> None:
    origin = Origin(saved_backbone("bert", tmp_path), (0, 9))
    with pytest.raises(BackboneError, match=r"got start.layers \[0, 9\], expected layers from 0 to 3"):
        origin.config()


@pytest.mark.parametrize(
    ("source", "params", "along"),
    [
        (dot(3, dimension=8), dot(2, dimension=8), ["projection"]),
        (dot(3, dimension=8), dot(2, dimension=4), []),
        (dot(3, learn_scale=True), dot(2, learn_scale=True), ["scale"]),
        (dot(3), dot(2, learn_scale=True), []),
        (ColbertParams(layers=3, dimension=8), ColbertParams(layers=1, dimension=8), ["projection"]),
        (ColbertParams(layers=3, dimension=8), dot(1, dimension=8), []),
        (CatParams(layers=3), CatParams(layers=2), ["head"]),
        (SpladeParams(layers=3), SpladeParams(layers=2), ["head"]),
    ],
)  # fmt: skip
def test_what_is_a_rankers_own_comes_along_where_it_fits(
    source: RankerParams, params: RankerParams, along: list[str], backbone: Path, tmp_path: Path
) -> None:
    folder = saved(source, backbone, tmp_path)
    theirs = Origin(folder).begin(source, LENGTHS, TextTokenizer(backbone)).state_dict()
    ranker = begun(folder, backbone, params)
    assert Origin(folder).comes_along(ranker) == along
    for module in along:
        own = ranker.get_submodule(module).state_dict(prefix=f"{module}.")
        assert all(torch.equal(weight, theirs[name]) for name, weight in own.items())

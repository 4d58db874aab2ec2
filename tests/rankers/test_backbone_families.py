"""The families of backbones that rankers begin from, as small random models; and what a backbone is refused for."""

from pathlib import Path
from typing import Literal

import pytest
import torch
from tests.rankers.examples import (
    FAMILIES,
    LENGTHS,
    PARAMS,
    assert_close,
    assert_scores_stand_alone,
    rows,
    saved_backbone,
    small_ranker,
    tolerance_of,
)
from transformers import AutoModel, BertConfig, RobertaPreLayerNormConfig

from distilrank.data.tokenizer import TextTokenizer
from distilrank.errors import BackboneError, MissingInput
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.colbert.params import ColbertParams
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.first_token import FirstTokenReader
from distilrank.rankers.halves import split
from distilrank.rankers.loading import (
    begin_ranker,
    check_fits,
    load_ranker,
    pretrained,
    pretrained_config,
    trained,
    trained_config,
)
from distilrank.rankers.params import RankerParams
from distilrank.rankers.prettr.params import PrettrParams
from distilrank.rankers.tk.params import TkParams
from distilrank.rankers.transformer import TransformerRanker
from distilrank.sections.data import Tokens

pytestmark = pytest.mark.slow(25)

PAIRS = (rows(3, 7, width=8, seed=1), rows(9, 4, width=12, seed=2))


@pytest.fixture(scope="module")
def tokenizer(backbone: Path) -> TextTokenizer:
    return TextTokenizer(backbone)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_backbone(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    names = ("bert", "distilbert", "roberta")
    return {name: saved_backbone(name, tmp_path_factory.mktemp(name)) for name in names}


@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS.keys())
def test_every_architecture_begins_on_every_family(
    params: RankerParams, family: Path, tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    check_fits(params, pretrained_config(family), LENGTHS, tokenizer)
    ranker = small_ranker(params, family, tokenizer)
    assert_scores_stand_alone(ranker, tolerance_of(params))
    ranker.save_pretrained(tmp_path)
    with torch.inference_mode():
        assert_close(load_ranker(tmp_path).score(*PAIRS), ranker.score(*PAIRS), 1e-6)


@pytest.mark.parametrize("pooling", ["cls", "pooler"])
def test_the_first_token_alone_scores_as_the_whole_last_layer(
    family: Path, pooling: Literal["cls", "pooler"], tokenizer: TextTokenizer
) -> None:
    """Where a family has another build, or no pooler, nothing is left out: there is nothing to compare."""
    if pooling == "pooler" and not pretrained_config(family).model_type.startswith(("bert", "roberta")):
        pytest.skip("no pooler of BERT's build")
    ranker = small_ranker(CatParams(architecture="cat", layers=3, pooling=pooling), family, tokenizer).eval()
    kind = pretrained_config(family).model_type
    assert FirstTokenReader.reads(ranker.backbone) is (kind in ("bert", "electra", "roberta"))
    with torch.inference_mode():
        scores = ranker.score(*PAIRS)
        ranker._first_token = ()
        assert_close(scores, ranker.score(*PAIRS), 1e-5)


def test_layers_with_berts_parts_but_another_arithmetic_are_not_taken_for_berts() -> None:
    config = RobertaPreLayerNormConfig(num_hidden_layers=2, hidden_size=16, num_attention_heads=2, intermediate_size=32)
    assert not FirstTokenReader.reads(AutoModel.from_config(config))


@pytest.mark.parametrize("join", [1, 2, 3])
def test_two_halves_compute_what_the_whole_computes(family: Path, join: int) -> None:
    backbone = pretrained(family).eval()
    batch = rows(12, 7, width=12, seed=1)
    mask = batch.mask.long()
    lower, upper = split(backbone, join)
    with torch.inference_mode():
        whole = backbone(input_ids=batch.ids, attention_mask=mask).last_hidden_state
        states = lower(input_ids=batch.ids, attention_mask=mask).last_hidden_state
        joined = upper(inputs_embeds=states, attention_mask=mask).last_hidden_state
    assert_close(joined[batch.mask], whole[batch.mask], 1e-5)
    assert (states - whole)[batch.mask].abs().max() > 0.1


def test_a_ranker_keeps_the_weights_of_the_lower_layers(family: Path, tokenizer: TextTokenizer) -> None:
    source = pretrained(family)
    ranker = begin_ranker(CatParams(architecture="cat", layers=2), source, LENGTHS, tokenizer)
    assert isinstance(ranker, TransformerRanker)
    assert ranker.backbone.config.num_hidden_layers == 2
    weights, own = source.state_dict(), ranker.backbone.state_dict()
    for name, weight in own.items():
        torch.testing.assert_close(weight, weights[name], atol=0, rtol=0)
    assert any("layer" in name for name in own)


def test_weights_in_half_precision_are_taken_up_in_float32(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    folder = saved_backbone("bert", tmp_path, torch.bfloat16)
    for params in PARAMS.values():
        ranker = small_ranker(params, folder, tokenizer)
        assert {parameter.dtype for parameter in ranker.parameters()} == {torch.float32}
        assert ranker.score(*PAIRS).dtype == torch.float32


def test_more_layers_than_the_backbone_has_are_refused(folders: dict[str, Path], tokenizer: TextTokenizer) -> None:
    with pytest.raises(BackboneError, match="got 4 layers, expected at least 5"):
        check_fits(CatParams(architecture="cat", layers=5), pretrained_config(folders["bert"]), LENGTHS, tokenizer)


# RoBERTa numbers its 64 positions from 2 on.
@pytest.mark.parametrize(("name", "available"), [("bert", 64), ("distilbert", 64), ("roberta", 62)])
def test_texts_longer_than_the_positions_are_refused(
    name: str, available: int, folders: dict[str, Path], tokenizer: TextTokenizer
) -> None:
    fits = Tokens(query_length=12, passage_length=available - 12 - 3)
    beyond = Tokens(query_length=12, passage_length=available - 12 - 2)
    for params in (PARAMS["cat"], PARAMS["prettr"]):
        ranker = begin_ranker(params, pretrained(folders[name]), fits, tokenizer).eval()
        longest = rows(fits.passage_length, width=fits.passage_length, seed=1)
        assert ranker.score(rows(12, width=12, seed=2), longest).isfinite().all()
        with pytest.raises(BackboneError, match=f"got {available} positions .*, expected at least {available + 1}"):
            check_fits(params, pretrained_config(folders[name]), beyond, tokenizer)


@pytest.mark.parametrize("name", ["distilbert", "electra", "modernbert"])
def test_a_head_on_a_pooler_that_is_not_there_is_refused(name: str, tokenizer: TextTokenizer, tmp_path: Path) -> None:
    folder = saved_backbone(name, tmp_path)
    with pytest.raises(BackboneError, match=rf"backbone {name}: got no pooler, .*; set pooling: cls"):
        check_fits(
            CatParams(architecture="cat", layers=2, pooling="pooler"), pretrained_config(folder), LENGTHS, tokenizer
        )


def test_a_teacher_with_fewer_layers_than_its_student_is_refused(
    folders: dict[str, Path], tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    small_ranker(PARAMS["cat"], folders["bert"], tokenizer).save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match="got 3 layers, expected at least 4"):
        check_fits(CatParams(architecture="cat", layers=4), trained_config(tmp_path), LENGTHS, tokenizer)


def test_a_ranker_that_reads_texts_apart_needs_positions_for_the_longer_alone(
    folders: dict[str, Path], tokenizer: TextTokenizer
) -> None:
    config = pretrained_config(folders["bert"])
    longest, beyond = Tokens(query_length=30, passage_length=62), Tokens(query_length=30, passage_length=63)
    for name in ("dot", "colbert"):
        check_fits(PARAMS[name], config, longest, tokenizer)
        with pytest.raises(BackboneError, match=r"got 64 positions .*, expected at least 65"):
            check_fits(PARAMS[name], config, beyond, tokenizer)
    with pytest.raises(BackboneError, match=r"got 64 positions .*, expected at least 95"):
        check_fits(PARAMS["cat"], config, longest, tokenizer)


@pytest.mark.parametrize(
    ("params", "query_length", "passage_length"),
    [
        # [CLS] query [SEP] 10 masks; and the same with passage [SEP] behind.
        (ColbertParams(architecture="colbert", layers=1, query_masks=10), 52, 24),
        (PrettrParams(architecture="prettr", layers=2, join_layer=1, query_masks=10), 12, 39),
    ],
    ids=["colbert", "prettr"],
)
def test_query_masks_take_positions(
    params: RankerParams, query_length: int, passage_length: int, folders: dict[str, Path], tokenizer: TextTokenizer
) -> None:
    config = pretrained_config(folders["bert"])
    check_fits(params, config, Tokens(query_length=query_length, passage_length=passage_length), tokenizer)
    beyond = Tokens(query_length=query_length + 1, passage_length=passage_length)
    with pytest.raises(BackboneError, match=r"got 64 positions .*, expected at least 65"):
        check_fits(params, config, beyond, tokenizer)


def test_a_pooler_that_the_teacher_did_not_train_is_refused(
    folders: dict[str, Path], tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    small_ranker(PARAMS["cat"], folders["bert"], tokenizer).save_pretrained(tmp_path)
    params = CatParams(architecture="cat", layers=2, pooling="pooler")
    with pytest.raises(BackboneError, match=r"pooler.*: got no such weight"):
        begin_ranker(params, trained(tmp_path), LENGTHS, tokenizer)


def test_a_teacher_without_a_transformer_gives_no_backbone(
    folders: dict[str, Path], tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    small_ranker(PARAMS["tk"], folders["bert"], tokenizer).save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match="got a ranker without a transformer"):
        trained_config(tmp_path)


def test_a_teacher_that_is_not_built_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="got no such file"):
        trained_config(tmp_path / "T1")


@pytest.mark.parametrize(
    "params", [DotParams(architecture="dot", layers=1, pooling="cls"), TkParams(architecture="tk")], ids=["dot", "tk"]
)
def test_a_tokenizer_with_more_word_pieces_than_embeddings_is_refused(
    params: RankerParams, tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    config = BertConfig(vocab_size=1000, hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match="got 1000 word pieces, expected at least 30522"):
        check_fits(params, pretrained_config(tmp_path), LENGTHS, tokenizer)

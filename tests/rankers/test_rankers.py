"""What every architecture promises, with each of its main options, on a small random BERT."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.rankers.examples import (
    LENGTHS,
    OPTIONS,
    assert_close,
    assert_scores_stand_alone,
    rows,
    saved_backbone,
    small_ranker,
    tolerance_of,
)

from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import Ranker, TokenBatch
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.colbert.params import ColbertParams
from distilrank.rankers.loading import begin_ranker, load_ranker, pretrained, trained
from distilrank.rankers.params import RankerParams
from distilrank.rankers.transformer import TransformerRanker

CLS, SEP = 101, 102
NO_TOKENS = TokenBatch(torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, 1, dtype=torch.bool))


@pytest.fixture(scope="module")
def tokenizer(backbone: Path) -> TextTokenizer:
    return TextTokenizer(backbone)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_backbone("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture(params=OPTIONS.values(), ids=OPTIONS.keys())
def params(request: pytest.FixtureRequest) -> RankerParams:
    chosen: RankerParams = request.param
    return chosen


@pytest.fixture
def ranker(params: RankerParams, bert: Path, tokenizer: TextTokenizer) -> Ranker:
    return small_ranker(params, bert, tokenizer)


def test_scores_depend_neither_on_padding_nor_on_the_rest_of_the_batch(ranker: Ranker, params: RankerParams) -> None:
    assert_scores_stand_alone(ranker, tolerance_of(params))


def test_encoding_apart_and_interacting_equals_forward(ranker: Ranker) -> None:
    queries, passages = rows(3, 7, width=8, seed=1), rows(9, 4, 11, 6, width=12, seed=2)
    with torch.inference_mode():
        apart = ranker.interact(ranker.encode_queries(queries).repeat(2), ranker.encode_passages(passages))
        torch.testing.assert_close(apart, ranker.score(queries, passages))
    assert apart.dtype == torch.float32
    assert apart.shape == (4,)


def test_gradients_reach_every_parameter(ranker: Ranker) -> None:
    scores = ranker.train().score(rows(3, 7, width=8, seed=1), rows(9, 4, width=12, seed=2))
    (scores**2).sum().backward()
    # What is added to all keys alike changes no attention: only rounding gives their bias a gradient.
    without = [
        name
        for name, one in ranker.named_parameters()
        if one.grad is None or not (one.grad.any() or name.endswith("key.bias"))
    ]
    assert without == []


def test_saved_and_loaded_it_gives_the_same_scores(ranker: Ranker, params: RankerParams, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    ranker.save_pretrained(first)
    loaded = load_ranker(first)
    loaded.save_pretrained(second)
    queries, passages = rows(3, 7, width=8, seed=1), rows(9, 4, width=12, seed=2)
    with torch.inference_mode():
        assert_close(loaded.score(queries, passages), ranker.score(queries, passages), 1e-6)
    for directory in (first, second):
        assert {file.name for file in directory.iterdir()} == {"config.json", "model.safetensors"}
        assert not re.search(r"[\"']/|" + re.escape(tmp_path.name), (directory / "config.json").read_text())
    assert (first / "config.json").read_text() == (second / "config.json").read_text()


def test_texts_without_a_token_have_finite_scores(ranker: Ranker) -> None:
    some = rows(3, 0, width=5, seed=1)
    with torch.inference_mode():
        for queries in (NO_TOKENS, some):
            for passages in (NO_TOKENS, some):
                assert ranker.score(queries, passages).isfinite().all()


def test_it_learns_the_margins_of_a_few_triples_by_heart(ranker: Ranker) -> None:
    queries = rows(3, 7, 5, 4, width=7, seed=1)
    passages = rows(9, 4, 11, 6, 8, 8, 3, 10, width=11, seed=2)
    margins = torch.tensor([3.0, -1.0, 5.0, 2.0])
    optimizer = torch.optim.Adam(ranker.train().parameters(), lr=3e-3)
    losses: list[float] = []
    while len(losses) < 80 and (not losses or losses[-1] > losses[0] / 10):
        scores = ranker.score(queries, passages).view(4, 2)
        loss = ((scores[:, 0] - scores[:, 1] - margins) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] <= losses[0] / 10


def test_a_pair_is_framed_as_cls_query_sep_passage_sep(bert: Path, tokenizer: TextTokenizer) -> None:
    ranker = small_ranker(OPTIONS["cat"], bert, tokenizer)
    assert isinstance(ranker, TransformerRanker)
    ids, mask, segments = ranker.framed(rows(2, 3, width=4, seed=1), rows(3, 1, width=5, seed=2))
    assert ids.shape == (2, 8)
    assert mask.sum(1).tolist() == [8, 7]
    assert ids[0, 0] == CLS
    assert (ids[0] == SEP).nonzero().flatten().tolist() == [3, 7]
    assert (ids[1] == SEP).nonzero().flatten().tolist() == [4, 6]
    assert segments[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert ids[1, 7] == 0


def test_it_starts_from_the_backbones_lower_layers(backbone: Path, tokenizer: TextTokenizer) -> None:
    ranker = begin_ranker(CatParams(architecture="cat", layers=2), pretrained(backbone), LENGTHS, tokenizer)
    assert isinstance(ranker, TransformerRanker)
    weights = load_file(backbone / "model.safetensors")
    own = dict(ranker.backbone.named_parameters())
    assert len(own) > 30
    for name, parameter in own.items():
        torch.testing.assert_close(parameter.data, weights[name], atol=0, rtol=0)


def test_a_student_starts_from_a_trained_teacher(bert: Path, tokenizer: TextTokenizer, tmp_path: Path) -> None:
    teacher = small_ranker(OPTIONS["cat"], bert, tokenizer)
    assert isinstance(teacher, TransformerRanker)
    torch.nn.init.normal_(teacher.backbone.embeddings.word_embeddings.weight)
    teacher.save_pretrained(tmp_path)
    params = ColbertParams(architecture="colbert", layers=2)
    student = begin_ranker(params, trained(tmp_path), LENGTHS, tokenizer)
    assert isinstance(student, TransformerRanker)
    taught = teacher.backbone.state_dict()
    for name, weight in student.backbone.state_dict().items():
        torch.testing.assert_close(weight, taught[name], atol=0, rtol=0)

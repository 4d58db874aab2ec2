"""Cosines with a scale: what it multiplies, where it stands, and why a teacher's margins need it."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from tests.rankers.examples import rows, saved_backbone, small_ranker
from torch import Tensor
from torch.nn.functional import cosine_similarity

from distilrank.data.tokenizer import TextTokenizer
from distilrank.losses import MarginMSE
from distilrank.rankers.base import Ranker
from distilrank.rankers.colbert.params import ColbertParams
from distilrank.rankers.dot.params import DotParams
from distilrank.sections.training import Training
from distilrank.training.learning_rates import parameter_groups

DOT = DotParams(architecture="dot", layers=2, pooling="mean", normalise=True)
COLBERT = ColbertParams(architecture="colbert", layers=2, dimension=16, normalise=True)
SCALED = {"scale": 20.0, "learn_scale": True}
# A teacher's margins of four triples, and a pair of scores that have each.
MARGINS = torch.tensor([9.0, 12.0, -6.0, 10.0])
TEACHER = torch.stack([MARGINS, torch.zeros(4)], 1)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_backbone("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def tokenizer(backbone: Path) -> TextTokenizer:
    return TextTokenizer(backbone)


def scores_of(ranker: Ranker) -> Tensor:
    """(4, 2) scores of a positive and a negative for each of four queries."""
    queries, passages = rows(3, 7, 5, 4, width=7, seed=1), rows(9, 4, 11, 6, 8, 8, 3, 10, width=11, seed=2)
    return ranker.score(queries, passages).view(4, 2)


def test_a_normalised_dot_scores_by_cosine(bert: Path, tokenizer: TextTokenizer) -> None:
    plain = small_ranker(DOT.model_copy(update={"normalise": False}), bert, tokenizer)
    with torch.inference_mode():
        queries, passages = (
            plain.encode_queries(rows(3, 7, width=8, seed=1)),
            plain.encode_passages(rows(9, 4, width=12, seed=2)),
        )
        cosines = cosine_similarity(queries.values, passages.values, dim=2).squeeze(1)
        for params, scale in (
            (DOT, 1),
            (DOT.model_copy(update={"scale": 20.0}), 20),
            (DOT.model_copy(update=SCALED), 20),
        ):
            scores = small_ranker(params, bert, tokenizer).score(
                rows(3, 7, width=8, seed=1), rows(9, 4, width=12, seed=2)
            )
            torch.testing.assert_close(scores, scale * cosines, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("params", [DOT, COLBERT])
def test_the_scale_is_the_querys_so_that_stored_passages_are_of_length_one(
    params: DotParams | ColbertParams, bert: Path, tokenizer: TextTokenizer
) -> None:
    ranker = small_ranker(params.model_copy(update=SCALED), bert, tokenizer)
    batch = rows(3, 5, width=5, seed=1)
    with torch.inference_mode():
        queries, passages = ranker.encode_queries(batch).values, ranker.encode_passages(batch).values
    torch.testing.assert_close(passages.norm(dim=2), torch.ones(passages.shape[:2]))
    torch.testing.assert_close(queries.norm(dim=2), torch.full(queries.shape[:2], 20.0))


@pytest.mark.parametrize("params", [DOT, COLBERT])
@pytest.mark.parametrize("learned", [True, False])
def test_by_margin_mse_it_learns_margins_that_no_cosine_reaches(
    params: DotParams | ColbertParams, learned: bool, bert: Path, tokenizer: TextTokenizer
) -> None:
    ranker = small_ranker(params.model_copy(update=SCALED | {"learn_scale": learned}), bert, tokenizer).train()
    optimizer = torch.optim.Adam(ranker.parameters(), lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        MarginMSE()(scores_of(ranker), TEACHER).backward()
        optimizer.step()
    scores = scores_of(ranker).detach()
    assert (scores[:, 0] - scores[:, 1] - MARGINS).abs().max() < 1.5


def test_a_bare_cosine_cannot_learn_them(bert: Path, tokenizer: TextTokenizer) -> None:
    ranker = small_ranker(DOT, bert, tokenizer).train()
    optimizer = torch.optim.Adam(ranker.parameters(), lr=3e-3)
    for _ in range(100):
        optimizer.zero_grad()
        loss = MarginMSE()(scores_of(ranker), TEACHER)
        loss.backward()
        optimizer.step()
    # No margin of cosines is above 2.
    assert loss.item() > ((MARGINS.abs() - 2) ** 2).mean()


def test_a_scale_that_is_too_small_is_learned(bert: Path, tokenizer: TextTokenizer) -> None:
    ranker = small_ranker(DOT.model_copy(update=SCALED | {"scale": 2.0}), bert, tokenizer).train()
    rates = Training(
        steps=1, batch_size=1, learning_rate=3e-4, part_learning_rates={"scale": 0.05}, warmup_share=0.0,
        validate_every=1, patience=None, seed=1,
    )  # fmt: skip
    optimizer = torch.optim.Adam(parameter_groups(ranker, rates))
    for _ in range(100):
        optimizer.zero_grad()
        MarginMSE()(scores_of(ranker), TEACHER).backward()
        optimizer.step()
    assert ranker.get_parameter("scale.logarithm").exp() > 4


@pytest.mark.parametrize("change", [{"scale": 0.0}, {"scale": -1.0}, {"learn_scale": 2.0}])
def test_a_scale_is_above_zero(change: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        DotParams.model_validate(DOT.model_dump() | change)

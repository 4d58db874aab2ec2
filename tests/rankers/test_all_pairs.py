"""Every query with every passage of a batch: the scores of pairs, without copies of texts for each pair."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.rankers.examples import OPTIONS, saved_backbone, small_ranker
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import Encoded, Ranker
from distilrank.rankers.colbert import model as colbert

QUERIES, PASSAGES = 64, 128
# Of queries and passages: tokens, and the width of their vectors.
SHAPES = {"dot": (1, 1, 384), "splade": (1, 1, 384), "colbert": (6, 20, 32)}
# ColBERT's similarities at once.
AT_ONCE = 2**15


class Largest(TorchDispatchMode):
    """The most numbers that any operation in the block made."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple) else (made,):
            if isinstance(one, Tensor):
                self.numbers = max(self.numbers, one.numel())
        return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_backbone("bert", tmp_path_factory.mktemp("bert"))


def encoded(texts: int, tokens: int, width: int, seed: int) -> Encoded:
    random = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, tokens + 1, (texts, 1), generator=random)
    values = torch.randn(texts, tokens, width, generator=random).requires_grad_()
    return Encoded(values, torch.arange(tokens) < lengths)


@pytest.mark.parametrize("name", SHAPES)
def test_all_pairs_are_scored_without_a_copy_for_each(
    name: str, folder: Path, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colbert, "_MOST_SIMILARITIES", AT_ONCE)
    ranker = small_ranker(OPTIONS[name], folder, TextTokenizer(backbone))
    query_length, passage_length, width = SHAPES[name]
    queries, passages = encoded(QUERIES, query_length, width, 1), encoded(PASSAGES, passage_length, width, 2)
    kept: dict[int, int] = {}

    def keep(one: Tensor) -> Tensor:
        kept[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
        return one

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda one: one), Largest() as largest:
        scores = ranker.interact_all(queries, passages)
    assert largest.numbers <= max(AT_ONCE, QUERIES * PASSAGES, PASSAGES * passage_length * width)
    # For the gradient the vectors are kept, and for each query token and passage at most where the highest stood.
    vectors = 4 * (queries.values.numel() + passages.values.numel())
    masks = PASSAGES * passage_length * QUERIES
    assert sum(kept.values()) <= vectors + masks + 8 * QUERIES * PASSAGES * query_length
    one_by_one = Ranker.interact_all(ranker, queries, passages)
    torch.testing.assert_close(scores, one_by_one, atol=1e-4, rtol=1e-4)
    weights = torch.randn(QUERIES, PASSAGES, generator=torch.Generator().manual_seed(3))
    gradients = [
        torch.autograd.grad((some * weights).sum(), (queries.values, passages.values)) for some in (scores, one_by_one)
    ]
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)

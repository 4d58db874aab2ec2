"""Passage vectors in a file: the same as in memory, and gone on with after a kill."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import TokenStore
from distilrank.rankers.base import Encoded, Ranker, TokenBatch
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.loading import begin_ranker, pretrained
from distilrank.retrieval.vector_file import passage_vectors
from distilrank.retrieval.vectors import encode_vectors


class Stopped(Exception):
    """What stands for a kill."""


@pytest.fixture
def dot(project: Path, backbone: Path, tiny_params: Params) -> Iterator[Ranker]:
    params = DotParams(layers=1, pooling="mean")
    yield begin_ranker(params, pretrained(backbone), tiny_params.tokens, TextTokenizer(layout.TOKENS)).eval()


def test_it_goes_on_with_the_blocks_that_are_not_there(
    dot: Ranker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = TokenStore.open(layout.TOKENS).texts
    rows, encode = np.arange(0, 100, 2), dot.encode_passages
    expected = encode_vectors(encode, texts.passages, rows, texts.pad, dot.device)
    encoded = 0

    def counted(batch: TokenBatch) -> Encoded:
        nonlocal encoded
        if encoded >= 20:
            raise Stopped
        encoded += len(batch.ids)
        return encode(batch)

    monkeypatch.setattr(dot, "encode_passages", counted)
    with pytest.raises(Stopped):
        passage_vectors(dot, texts, rows, tmp_path, "dot", at_once=10)
    assert 20 <= encoded < 50
    encoded = -30
    whole = passage_vectors(dot, texts, rows, tmp_path, "dot", at_once=10)
    # Of the 50 passages, the first two blocks stand already.
    assert encoded == 0
    np.testing.assert_allclose(whole, expected, rtol=1e-5, atol=1e-6)
    # Other passages are encoded anew.
    encoded = -50
    others = passage_vectors(dot, texts, rows + 1, tmp_path, "dot", at_once=10)
    assert encoded == 0
    assert not np.allclose(others, expected)

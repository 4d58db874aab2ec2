"""Scoring: each pair once, and after an interruption only what is missing."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from distilrank import layout
from distilrank.data.tokens import TextTokenizer, TokenStore
from distilrank.data.triples import pairs_of
from distilrank.errors import ScoreError
from distilrank.params import CatRanker as CatParams
from distilrank.params import Params
from distilrank.rankers.architectures import begin_ranker, pretrained
from distilrank.rankers.base import Ranker
from distilrank.scoring.pairs import rerank
from distilrank.scoring.parts import score_parts
from distilrank.scoring.store import check_complete, read_scores


@pytest.fixture
def tokens(project: Path) -> TokenStore:
    return TokenStore.open(layout.TOKENS)


@pytest.fixture
def teacher(backbone: Path, tokens: TokenStore, tiny_params: Params) -> Ranker:
    torch.manual_seed(0)
    params = CatParams(architecture="cat", layers=1)
    return begin_ranker(params, pretrained(backbone), tiny_params.tokens, TextTokenizer(layout.TOKENS)).eval()


@pytest.fixture
def triples(project: Path) -> pl.DataFrame:
    return pl.read_parquet(layout.TRIPLES / "triples.parquet")


def scored_pairs(ranker: Ranker) -> list[int]:
    """A list that grows by the number of pairs that the ranker scores."""
    counts: list[int] = []
    ranker.register_forward_hook(lambda _module, _inputs, scores: counts.append(len(scores)))
    return counts


def nothing(_: int) -> None:
    pass


def test_no_pair_is_scored_twice(teacher: Ranker, tokens: TokenStore, triples: pl.DataFrame, tmp_path: Path) -> None:
    pairs, counts = pairs_of(triples), scored_pairs(teacher)
    score_parts(teacher, tokens, pairs, 16, tmp_path, nothing)
    distinct = {
        (query, passage) for query, positive, negatives in triples.iter_rows() for passage in [positive, *negatives]
    }
    assert len(pairs) == len(distinct) < 2 * len(triples)
    assert sum(counts) == len(distinct)


def test_after_an_interruption_only_the_missing_parts_are_scored(
    teacher: Ranker, tokens: TokenStore, triples: pl.DataFrame, tmp_path: Path
) -> None:
    pairs = pairs_of(triples)
    whole, interrupted = tmp_path / "whole", tmp_path / "interrupted"
    for directory in (whole, interrupted):
        directory.mkdir()
        score_parts(teacher, tokens, pairs, 16, directory, nothing)
    (interrupted / "part-00001.parquet").unlink()
    (interrupted / "part-00003.partial").write_bytes(b"half a part")
    counts = scored_pairs(teacher)
    score_parts(teacher, tokens, pairs, 16, interrupted, nothing)
    assert sum(counts) == 16
    assert read_scores(interrupted).equals(read_scores(whole))
    check_complete(read_scores(interrupted), pairs)


def test_scores_are_those_of_each_pair_on_its_own(teacher: Ranker, tokens: TokenStore, triples: pl.DataFrame) -> None:
    pairs = pairs_of(triples).head(20)
    together = rerank(teacher, tokens, pairs)["score"].to_numpy()
    alone = np.concatenate([rerank(teacher, tokens, pairs[[row]])["score"].to_numpy() for row in range(20)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_teacher_that_gives_no_number_is_refused(
    teacher: Ranker, tokens: TokenStore, triples: pl.DataFrame, tmp_path: Path
) -> None:
    with torch.no_grad():
        teacher.get_parameter("head.bias").fill_(float("nan"))
    with pytest.raises(ScoreError, match="expected finite scores"):
        score_parts(teacher, tokens, pairs_of(triples), 16, tmp_path, nothing)
    assert list(tmp_path.glob("part-*")) == []

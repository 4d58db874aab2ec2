"""A small teacher, and workers that count what they score."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import polars as pl
import pytest
import torch

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.data.tokens import TokenStore
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.loading import begin_ranker, pretrained
from distilrank.scoring.parts import PairsToScore, ScoredPairs, begin_scoring
from distilrank.workers.local import in_this_process
from distilrank.workers.work import Work

Each = Callable[[Iterable[PairsToScore]], Iterator[ScoredPairs]]
Counting = Callable[[Path], AbstractContextManager[tuple[Each, list[int]]]]


@pytest.fixture
def tokens(project: Path) -> TokenStore:
    return TokenStore.open(layout.TOKENS)


@pytest.fixture
def triples(project: Path) -> pl.LazyFrame:
    return pl.scan_parquet(layout.TRIPLES / "bm25" / "triples.parquet")


@pytest.fixture
def teacher(backbone: Path, tokens: TokenStore, tiny_params: Params) -> Path:
    return saved_teacher(backbone, tiny_params, 0)


def saved_teacher(backbone: Path, params: Params, seed: int) -> Path:
    torch.manual_seed(seed)
    section = CatParams(architecture="cat", layers=2)
    ranker = begin_ranker(section, pretrained(backbone), params.tokens, TextTokenizer(layout.TOKENS))
    # A head that has not learned gives nearly the same score to all.
    with torch.no_grad():
        ranker.get_parameter("head.weight").mul_(50)
    directory = layout.MODELS / f"seed{seed}"
    ranker.save_pretrained(directory)
    copy_tokenizer(layout.TOKENS, directory)
    return directory


@pytest.fixture
def counting() -> Counting:
    """One worker for the teacher in a directory, and a list that grows by the pairs that it scores."""

    @contextmanager
    def begin(model: Path) -> Iterator[tuple[Each, list[int]]]:
        counts: list[int] = []

        def counted(results: Iterator[ScoredPairs]) -> Iterator[ScoredPairs]:
            for result in results:
                counts.append(len(result.pairs))
                yield result

        with in_this_process(Work(begin_scoring, model)) as each:
            yield lambda parts: counted(each(parts)), counts

    return begin

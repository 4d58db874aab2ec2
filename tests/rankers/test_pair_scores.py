"""Pairs of stored texts: the scores that the ranker gives each pair alone, with little read more than once."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tests.rankers.examples import OPTIONS, saved_backbone, small_ranker

from distilrank.data.ragged import RaggedIds, StoredTexts
from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers import pair_scores as module
from distilrank.rankers.base import Ranker
from distilrank.rankers.colbert.params import ColbertParams
from distilrank.rankers.inputs import stored_batch
from distilrank.rankers.pair_scores import StoredPairs, pair_scores

QUERIES, PASSAGES, PAIRS = 7, 9, 40
# [CLS] and [SEP] of a text that is read alone; [CLS] and two [SEP] of a pair.
ALONE, JOINED = 2, 3
# A ColBERT that leaves out some tokens of passages, among them all of one passage.
SKIPPING = "colbert-skipping"


def texts(number: int, longest: int, random: np.random.Generator) -> RaggedIds:
    """Random tokens. The first text has none."""
    lengths = np.concatenate([[0], random.integers(1, longest + 1, number - 1)])
    return RaggedIds(random.integers(1000, 30000, lengths.sum(), np.uint32), np.cumsum([0, *lengths]))


@pytest.fixture(scope="module")
def pairs() -> StoredPairs:
    """Pairs whose texts recur, in no order, some of them twice."""
    random = np.random.default_rng(1)
    stored = StoredTexts(texts(QUERIES, 12, random), texts(PASSAGES, 24, random), 0)
    return StoredPairs(stored, random.integers(0, QUERIES, PAIRS), random.integers(0, PASSAGES, PAIRS))


@pytest.fixture(params=[*OPTIONS, SKIPPING])
def ranker(request: pytest.FixtureRequest, pairs: StoredPairs, tmp_path: Path, backbone: Path) -> Ranker:
    torch.manual_seed(3)
    passages = pairs.texts.passages
    skipped = [*passages[1].tolist(), *passages.ids[::3].tolist()]
    options = OPTIONS | {SKIPPING: ColbertParams(layers=3, dimension=16, skipped_tokens=skipped)}
    return small_ranker(options[request.param], saved_backbone("bert", tmp_path), TextTokenizer(backbone))


@torch.inference_mode()
def one_by_one(ranker: Ranker, pairs: StoredPairs) -> npt.NDArray[np.float32]:
    stored = pairs.texts
    scores = [
        ranker.score(stored_batch(stored.queries, query, 0), stored_batch(stored.passages, passage, 0)).item()
        for query, passage in zip(pairs.query_rows[:, None], pairs.passage_rows[:, None], strict=True)
    ]
    return np.array(scores, np.float32)


def test_scores_are_those_of_each_pair_alone(
    ranker: Ranker, pairs: StoredPairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = one_by_one(ranker, pairs)
    np.testing.assert_allclose(pair_scores(ranker, pairs).scores, expected, rtol=1e-4, atol=1e-4)
    for at_once, number in ({"_PAIRS_AT_ONCE": 11}, 64), ({"_TOKENS_AT_ONCE": 90}, 1), ({"_TOKENS_AT_ONCE": 1}, 64):
        with monkeypatch.context() as patched:
            for name, value in ({"_NUMBERS_AT_ONCE": number} | at_once).items():
                patched.setattr(module, name, value)
            advanced: list[int] = []
            scored = pair_scores(ranker, pairs, budget=30, advance=advanced.append)
        np.testing.assert_allclose(scored.scores, expected, rtol=1e-4, atol=1e-4)
        assert sum(advanced) == PAIRS
    assert pair_scores(ranker, pairs.between(0, 0)).scores.shape == (0,)


def test_half_precision_rounds_and_no_more(ranker: Ranker, pairs: StoredPairs) -> None:
    exact, rounded = (pair_scores(ranker, pairs, precision).scores for precision in ("float32", "bfloat16"))
    spread = exact.std() + np.abs(exact).mean()
    assert np.abs(rounded - exact).max() < 0.1 * spread


def test_each_text_is_read_once_unless_it_is_read_with_another(ranker: Ranker, pairs: StoredPairs) -> None:
    queries, passages = pairs.texts.queries, pairs.texts.passages
    if ranker.params.reads_pairs:
        read = queries.lengths(pairs.query_rows) + passages.lengths(pairs.passage_rows) + JOINED
    else:
        rows = np.unique(pairs.query_rows), np.unique(pairs.passage_rows)
        read = np.concatenate([queries.lengths(rows[0]), passages.lengths(rows[1])]) + ALONE
    assert pair_scores(ranker, pairs).tokens == read.sum()
    # Nothing is padded where each batch has one length.
    assert pair_scores(ranker, pairs, budget=1)[1:] == (read.sum(), read.sum())

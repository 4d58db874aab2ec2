"""Balanced topic-aware batches: what an epoch takes, and in which order."""

from collections import Counter

import numpy as np
import pytest

from distilrank.errors import TrainingError
from distilrank.training.balanced import BalancedBatches, margin_bins
from distilrank.training.topics import topics_of

SIZE = 4
# Forty queries of three topics, 13, 20 and 7 of them; 25 triples each, in any order.
TOPICS = np.repeat([0, 1, 2], [13, 20, 7])
QUERIES = np.random.default_rng(0).permutation(np.repeat(np.arange(100, 140), 25))
TEACHER = np.random.default_rng(1).normal(size=(len(QUERIES), 3)).astype(np.float32)
MARGINS = TEACHER[:, 0] - TEACHER[:, 1:].mean(1)


def batches(bins: int | None = 5, seed: int = 1) -> BalancedBatches:
    return BalancedBatches(QUERIES, TOPICS, margin_bins(QUERIES, TEACHER, bins), SIZE, seed)


def epoch(order: BalancedBatches, number: int) -> np.ndarray:
    """(batches, size)"""
    order.set_epoch(number)
    return np.array([*order]).reshape(-1, SIZE)


def test_each_batch_is_of_one_topic_and_an_epoch_takes_each_query_once() -> None:
    order = batches()
    queries = QUERIES[epoch(order, 0)]
    # 13, 20 and 7 queries are 4, 5 and 2 batches, of which the first and the last topic fill up 3 and 1 places.
    assert len(order) == queries.size == 44
    topics = TOPICS[queries - 100]
    assert (topics == topics[:, :1]).all()
    assert len({*map(tuple, topics)}) > 1
    assert Counter(topics[:, 0].tolist()) == {0: 4, 1: 5, 2: 2}
    taken = Counter(queries.ravel().tolist())
    assert len(taken) == 40
    assert Counter(taken.values()) == {1: 36, 2: 4}
    assert str(order) == (
        "3 topics of 7 to 20 queries; an epoch is 11 batches: each of 40 queries once, with one of 1,000 triples"
    )


def test_the_order_follows_from_seed_and_epoch() -> None:
    assert (epoch(batches(), 3) == epoch(batches(), 3)).all()
    assert (epoch(batches(), 3) != epoch(batches(), 4)).any()
    assert (epoch(batches(), 3) != epoch(batches(seed=2), 3)).any()


def test_margins_of_all_sizes_are_as_frequent_as_each_other() -> None:
    """Between the lowest and the highest of its query, each fifth that holds a triple is drawn as often."""
    order = batches()
    taken = Counter(np.concatenate([epoch(order, number).ravel() for number in range(300)]).tolist())
    for query in (100, 125):
        numbers = np.flatnonzero(np.equal(QUERIES, query))
        own = MARGINS[numbers]
        fifths = np.minimum((own - own.min()) / (own.max() - own.min()) * 5, 4).astype(int)
        drawn = np.bincount(fifths, [taken[number] for number in numbers], minlength=5)
        assert drawn[np.bincount(fifths, minlength=5) > 0] == pytest.approx(drawn.sum() / len({*fifths}), rel=0.35)


def test_without_margins_each_triple_of_a_query_is_as_likely() -> None:
    for bins in (margin_bins(QUERIES, None, 5), margin_bins(QUERIES, TEACHER, None)):
        assert not bins.any()
    tied = np.zeros((len(QUERIES), 2), np.float32)
    assert not margin_bins(QUERIES, tied, 5).any()


def test_queries_of_like_directions_are_of_one_topic_on_each_run() -> None:
    random = np.random.default_rng(0)
    centres = np.eye(3, 16)[[0, 1, 2] * 20] + random.normal(scale=0.05, size=(60, 16))
    vectors = (centres * random.uniform(0.5, 5, (60, 1))).astype(np.float32)
    topics = topics_of(vectors, 3, seed=1)
    assert len({*topics}) == 3
    assert (topics.reshape(20, 3) == topics[:3]).all()
    assert (topics == topics_of(vectors, 3, seed=1)).all()


def test_more_topics_than_queries_are_refused() -> None:
    with pytest.raises(TrainingError, match="got 3 topics for 2 queries, expected no more topics than queries; lower"):
        topics_of(np.ones((2, 4), np.float32), 3, seed=1)

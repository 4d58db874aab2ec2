"""Balanced topic-aware batches (Hofstätter et al., arXiv 2104.06967, section 3): the triples of an epoch, and their
order."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from distilrank.data.ragged import Rows


class BalancedBatches(Sampler[int]):
    """Numbers of triples, batch after batch. Each batch has queries of one topic, in random order.

    An epoch takes each query once, with one of its triples: a random bin of margins that is not empty, then a random
    triple of that bin. If a topic's last batch is not full, the first queries of that topic in the epoch fill it up,
    each with a triple of its own draw. The order depends on the seed and the epoch alone.
    """

    def __init__(self, queries: Rows, topics: Rows, bins: Rows, batch_size: int, seed: int) -> None:
        """Takes each triple's query (triples,) and bin (triples,), and the topic of each distinct query, in ascending
        order."""
        of_query = np.unique(queries, return_inverse=True)[1]
        self._topics, self._batch_size, self._seed, self._epoch = topics, batch_size, seed, 0
        # Triples by query, then by bin. Each bin that is not empty begins at one of `starts`.
        self._triples = np.lexsort((bins, of_query))
        sorted_queries, sorted_bins = of_query[self._triples], bins[self._triples]
        begins = np.append(True, (np.diff(sorted_queries) != 0) | (np.diff(sorted_bins) != 0))
        self._starts = np.append(np.flatnonzero(begins), len(queries))
        self._first_bins = np.searchsorted(sorted_queries[self._starts[:-1]], np.arange(len(topics) + 1))
        self._sizes = np.bincount(topics)

    def set_epoch(self, epoch: int) -> None:
        """Trainer calls this at the beginning of each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return int(sum(-(-self._sizes // self._batch_size)) * self._batch_size)

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng([self._seed, self._epoch])
        queries = self._in_batches(random)
        bins = self._first_bins[queries] + random.integers(np.diff(self._first_bins)[queries])
        places = self._starts[bins] + random.integers(np.diff(self._starts)[bins])
        yield from self._triples[places].tolist()

    def __str__(self) -> str:
        sizes = self._sizes[self._sizes > 0]
        return (
            f"{len(sizes)} topics of {sizes.min():,} to {sizes.max():,} queries; an epoch is "
            f"{len(self) // self._batch_size:,} batches: each of {len(self._topics):,} queries once, with one of "
            f"{len(self._triples):,} triples"
        )

    def _in_batches(self, random: np.random.Generator) -> Rows:
        """The queries of an epoch, batch by batch."""
        shuffled = random.permutation(len(self._topics))
        by_topic = np.split(shuffled[np.argsort(self._topics[shuffled], kind="stable")], np.cumsum(self._sizes)[:-1])
        full = [np.resize(some, -(-len(some) // self._batch_size) * self._batch_size) for some in by_topic]
        return random.permutation(np.concatenate(full).reshape(-1, self._batch_size)).ravel()


def margin_bins(queries: Rows, teacher: npt.NDArray[np.float32] | None, count: int | None) -> Rows:
    """The bin (triples,) of each triple, by its teacher's margin among the triples of its query.

    `count` bins of equal width reach from the query's lowest margin to its highest. The margin of several negatives is
    that over their mean score. Without a teacher or a count, all triples are in one bin.
    """
    if teacher is None or count is None:
        return np.zeros(len(queries), np.int64)
    margins = teacher[:, 0] - teacher[:, 1:].mean(1)
    of_query = np.unique(queries, return_inverse=True)[1]
    lowest, highest = np.full(of_query.max() + 1, np.inf), np.full(of_query.max() + 1, -np.inf)
    np.minimum.at(lowest, of_query, margins)
    np.maximum.at(highest, of_query, margins)
    width = np.maximum(highest - lowest, np.finfo(np.float64).tiny)[of_query]
    bins: Rows = ((margins - lowest[of_query]) / width * count).astype(np.int64)
    return np.minimum(bins, count - 1)

"""Times what is deployed, from a query's text to ids: first stage, reads of stored passages, re-ranking, end to end.

Part of the stage `latency`.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice

import polars as pl

from distilrank.config.params import Params
from distilrank.config.systems import Depths, deployed
from distilrank.data.runs import Hit
from distilrank.evaluation.latency import FIRST_STAGE, READS, RERANKING, WHOLE, Times, percentiles
from distilrank.progress import progress
from distilrank.rankers.threads import threads_in_torch
from distilrank.results.measured_times import Deployed
from distilrank.searchers import Searcher
from distilrank.searching import Searchers
from distilrank.workers.cores import threads

# Queries of each figure, after one that does not count.
_FEWEST, _MOST = 3, 200


def deployed_times(params: Params, queries: Sequence[str], passages: int) -> Iterator[tuple[str, Deployed]]:
    """The times by name, in the order of the report, then by depth, number of threads and part.

    Memory holds one system at a time, and BM25. Raises MissingInput.
    """
    searchers, measured = Searchers(lambda: params), deployed(params)
    with progress("systems timed", len(measured)) as advance:
        for name, own in measured.items():
            others = [depth for depth in params.latency.depths if depth <= max(own.searched, passages)]
            by_depth = _by_depth(searchers.load(name), queries, own, others, params.latency.seconds)
            searchers.release()
            yield name, Deployed(own.searched, by_depth)
            advance(1)


def _by_depth(
    searcher: Searcher, queries: Sequence[str], own: Depths, others: Sequence[int], seconds: float
) -> dict[str, dict[str, dict[str, Times]]]:
    """The times at the searcher's own depths, and at others, where it answers with all that it looks at."""
    at = {depth: (searcher.at(depth), depth) for depth in others} | {own.searched: (searcher, own.answered)}
    return {str(depth): _by_threads(one, queries, answered, seconds) for depth, (one, answered) in sorted(at.items())}


def _by_threads(searcher: Searcher, queries: Sequence[str], depth: int, seconds: float) -> dict[str, dict[str, Times]]:
    """The times with one thread, and with all."""
    found = {}
    for number in sorted({1, threads()}):
        with _threads(number):
            found[str(number)] = _timed(searcher, queries, depth, seconds)
    return found


def _timed(searcher: Searcher, queries: Sequence[str], depth: int, seconds: float) -> dict[str, Times]:
    """Percentiles of each part, of one query at a time."""
    searcher.search(queries[0], depth)
    parts: dict[str, list[float]] = {}
    began = time.perf_counter()
    for number, query in enumerate(islice(cycle(queries), _MOST)):
        if number >= _FEWEST and time.perf_counter() - began > seconds:
            break
        for part, taken in _parts(searcher, query, depth):
            parts.setdefault(part, []).append(taken)
    return {part: percentiles(taken) for part, taken in parts.items()}


def _parts(searcher: Searcher, query: str, depth: int) -> Iterator[tuple[str, float]]:
    """The milliseconds of each part. Reads are timed alone, and are a part of re-ranking too."""
    marks = [time.perf_counter()]
    hits = searcher.search(query, depth, lambda: marks.append(time.perf_counter()))
    marks.append(time.perf_counter())
    yield WHOLE, 1000 * (marks[-1] - marks[0])
    if searcher.reranking:
        yield FIRST_STAGE, 1000 * (marks[1] - marks[0])
        yield RERANKING, 1000 * (marks[2] - marks[1])
        yield READS, _milliseconds_of_reads(searcher, hits)


def _milliseconds_of_reads(searcher: Searcher, hits: Sequence[Hit]) -> float:
    assert searcher.reranking
    if not hits:
        return 0.0
    re_ranked = hits[: searcher.reranking.depth]
    passages = pl.Series("passage_id", [hit.passage_id for hit in re_ranked], pl.String)
    began = time.perf_counter()
    searcher.reranking.read(passages)
    return 1000 * (time.perf_counter() - began)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Sets the number of threads in torch and in Faiss, each of which has its own."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(number)
    try:
        with threads_in_torch(number):
            yield
    finally:
        faiss.omp_set_num_threads(before)

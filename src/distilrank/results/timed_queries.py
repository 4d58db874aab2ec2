"""The test queries that are timed, with the texts of their candidates, as a server would get them."""

from dataclasses import dataclass

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.runs import read_trec
from distilrank.errors import CollectionError
from distilrank.evaluation.tasks import RERANK

# A server scores at most this many passages per request.
MOST_PASSAGES = 1000


@dataclass(frozen=True)
class TimedQuery:
    """A query's text, and its candidates in their order."""

    text: str
    passage_ids: pl.Series
    passages: list[str]


def timed_queries(params: Params) -> list[TimedQuery]:
    """The first `latency.queries` queries of the evaluation. Raises MissingInput."""
    collection = Collection.read(layout.COLLECTION)
    run = read_trec(built(layout.run_of(params.candidates.first_stage(), RERANK)))
    first = run.select("query_id").unique(maintain_order=True).head(params.latency.queries)
    candidates = run.join(first, on="query_id", how="semi").join(collection.queries, on="query_id")
    texts = collection.texts_of(candidates["passage_id"].unique())
    candidates = candidates.join(texts, on="passage_id", maintain_order="left")
    if candidates.is_empty():
        raise CollectionError(
            layout.RUNS, got="no candidates of the collection's queries", expected="some", remedy="run `dvc repro`"
        )
    groups = candidates.group_by("query_id", maintain_order=True)
    return [_timed(group.head(MOST_PASSAGES)) for _, group in groups]


def _timed(candidates: pl.DataFrame) -> TimedQuery:
    return TimedQuery(candidates["text"][0], candidates["passage_id"], candidates["passage_text"].to_list())

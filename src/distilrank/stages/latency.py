"""latency: milliseconds per request to a server, for every ranker: texts in, scores or hits out.

It also times re-ranking with passages that were encoded beforehand, and counts the bytes that a stored passage takes.
These figures have names of their own. What may answer people is timed from a query's text to ids as well.
"""

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from statistics import fmean

from distilrank.artifacts import layout
from distilrank.artifacts.files import write_json
from distilrank.artifacts.manifest import digest
from distilrank.config.derived import encoded_models, model_names, ranker_names, tokens_of
from distilrank.config.names import BACKBONE
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.tokenizer import TextTokenizer
from distilrank.evaluation.latency import BEFOREHAND, SINGLE, TOP_K, Times, machine, milliseconds, served
from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.model import Model
from distilrank.rankers.base import Encoded
from distilrank.rankers.loading import load_ranker
from distilrank.results.measured_times import Deployed
from distilrank.results.timed_queries import TimedQuery, timed_queries
from distilrank.retrieval.bm25 import BM25
from distilrank.retrieval.encodings import Encodings
from distilrank.retrieval.forms import VectorsForm
from distilrank.retrieval.opened import opened
from distilrank.retrieval.store_index import StoreIndex
from distilrank.serving.answering import Answering, Request
from distilrank.stages.deployed import deployed_times
from distilrank.stages.untrained import untrained

ByTask = dict[str, dict[str, dict[str, Times]]]


def latency(params: Params) -> None:
    queries = timed_queries(params)
    # First, while no other ranker is in memory.
    deployed = {name: asdict(one) for name, one in _deployed(params, queries)}
    times: ByTask = {RERANK: {}, RETRIEVE: {}}
    storage: dict[str, float] = {}
    forms: dict[str, dict[str, float]] = {}
    if not params.candidates.runs:
        _time_bm25(params, queries, times)
    # A student's start takes the student's time; of the backbone, no student need have all layers.
    backbone = (
        {BACKBONE: partial(untrained(params)[BACKBONE], layout.TOKENS)} if BACKBONE in ranker_names(params) else {}
    )
    models = {name: partial(load_ranker, layout.MODELS / name) for name in model_names(params)}
    for name, load in (backbone | models).items():
        ranker = load()
        index = opened(layout.VECTORS / name, ranker) if name in encoded_models(params) else None
        model = Model(ranker, TextTokenizer(tokens_of(params, name)), index)
        encoded = [model.encode(query.passages) for query in queries]
        beforehand, storage[name] = _beforehand(model, queries, encoded)
        if ranker.params.vector_per_token:
            forms[name] = {numbers: _bytes_as(encoded, VectorsForm(numbers)) for numbers in VectorsForm.choices}
        # The time as a server is measured without the encodings of all queries in memory.
        del encoded
        answering = Answering(model)
        requests = [Request(query=query.text, passages=query.passages) for query in queries]
        times[RERANK][name] = _served(params, answering, requests) | {BEFOREHAND: beforehand}
        if model.searches:
            requests = [Request(query=query.text, top_k=TOP_K) for query in queries]
            times[RETRIEVE][name] = _served(params, answering, requests)
    places = [layout.MODELS / name for name in models] + [layout.VECTORS / name for name in encoded_models(params)]
    told = {
        "machine": machine(),
        "depth": params.evaluation.depth,
        "top_k": TOP_K,
        "queries": len(queries),
        "clients": params.latency.clients,
        "measured": {str(place): digest(place) for place in places},
        "milliseconds": times,
        "bytes_per_passage": storage,
        "bytes_by_numbers": forms,
        "deployed": deployed,
    }
    write_json(layout.LATENCY, told)


def _deployed(params: Params, queries: list[TimedQuery]) -> Iterator[tuple[str, Deployed]]:
    passages = len(Collection.read(layout.COLLECTION).passage_ids())
    return deployed_times(params, [query.text for query in queries], passages)


def _time_bm25(params: Params, queries: list[TimedQuery], times: ByTask) -> None:
    """Times BM25 finding the candidates that others re-rank, and as many passages as others find."""
    collection = Collection.read(layout.COLLECTION)
    bm25 = BM25(collection.passage_ids(), collection.passage_texts(), params.candidates)
    for task, depth in ((RERANK, params.evaluation.depth), (RETRIEVE, TOP_K)):
        find = partial(_found, bm25, queries, depth)
        times[task][params.candidates.first_stage()] = {SINGLE: milliseconds(find, len(queries))}


def _found(bm25: BM25, queries: list[TimedQuery], depth: int, number: int) -> object:
    return bm25.search([""], [queries[number].text], depth)


def _served(params: Params, answering: Answering, requests: list[Request]) -> dict[str, Times]:
    return served(lambda number: answering.answer([requests[number]]), len(requests), params.latency.clients)


def _beforehand(model: Model, queries: list[TimedQuery], encoded: list[Encoded]) -> tuple[Times, float]:
    """The times of re-ranking passages that were encoded before the clock runs, and the bytes per stored passage: those
    of the model's passage store, if it has one."""
    if isinstance(model.index, StoreIndex):
        bytes_per_passage = model.index.store.bytes_per_text()
        rerank = partial(_from_store, model, queries)
    else:
        bytes_per_passage = fmean(passages.stored_bytes() for passages in encoded)
        rerank = partial(_from_memory, model, queries, encoded)
    return milliseconds(rerank, len(queries)), round(bytes_per_passage, 1)


def _from_store(model: Model, queries: list[TimedQuery], number: int) -> object:
    return model.score_stored(queries[number].text, queries[number].passage_ids).tolist()


def _from_memory(model: Model, queries: list[TimedQuery], encoded: list[Encoded], number: int) -> object:
    return model.score_encoded(queries[number].text, encoded[number]).tolist()


def _bytes_as(encoded: list[Encoded], form: VectorsForm) -> float:
    return round(fmean(Encodings.of(passages, form).bytes_per_text() for passages in encoded), 1)

"""latency: milliseconds a query for re-ranking the best candidates, for every ranker, one query at a time."""

from collections.abc import Callable
from functools import partial

import polars as pl
import torch

from distilrank import layout
from distilrank.artifacts import built, write_json
from distilrank.data.collection import Collection
from distilrank.data.runs import read_trec
from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import TokenStore
from distilrank.evaluation.latency import machine, milliseconds
from distilrank.params import BACKBONE, Params
from distilrank.rankers.architectures import load_ranker
from distilrank.rankers.base import Ranker
from distilrank.rankers.inputs import stored_batch, text_batch
from distilrank.retrieval.bm25 import BM25
from distilrank.stages.begun import untrained


def latency(params: Params) -> None:
    collection = Collection.read(layout.COLLECTION)
    first_stage = params.first_stage()
    candidates = read_trec(built(layout.RUNS / f"{first_stage}.rerank.trec")).join(collection.queries, on="query_id")
    by_query = [group for _, group in candidates.group_by("query_id", maintain_order=True)]
    sample = by_query[: params.latency.queries]
    texts = [group["text"][0] for group in sample]
    passages = [group["passage_id"] for group in sample]
    depth = params.evaluation.depth
    times = {}
    if not params.candidates.runs:
        bm25 = BM25(collection.passage_ids(), collection.passage_texts(), params.candidates)
        times[first_stage] = milliseconds(lambda number: bm25.search([""], [texts[number]], depth), len(texts))
    # A student's start takes the student's time; of the backbone, no student need have all layers.
    backbone = {BACKBONE: untrained(params)[BACKBONE]} if BACKBONE in params.ranker_names() else {}
    models = {name: partial(load_ranker, layout.MODELS / name) for name in params.model_names()}
    for name, load in (backbone | models).items():
        times[name] = milliseconds(_reranker(load(), texts, passages), len(texts))
    write_json(layout.LATENCY, {"machine": machine(), "depth": depth, "queries": len(texts), "milliseconds": times})


def _reranker(ranker: Ranker, texts: list[str], passages: list[pl.Series]) -> Callable[[int], object]:
    """Re-ranks query i's candidates, whose passages are encoded here, before the clock runs."""
    tokens, tokenizer = TokenStore.open(layout.TOKENS), TextTokenizer(layout.TOKENS)
    length, pad = ranker.config.query_length, tokens.special_tokens.pad

    with torch.inference_mode():
        encoded = [
            ranker.encode_passages(stored_batch(tokens.passages, tokens.passage_rows(ids), pad).to(ranker.device))
            for ids in passages
        ]

    @torch.inference_mode()
    def answer(number: int) -> object:
        query = ranker.encode_queries(text_batch([texts[number]], length, tokenizer).to(ranker.device))
        return ranker.interact(query.repeat(len(passages[number])), encoded[number]).tolist()

    return answer

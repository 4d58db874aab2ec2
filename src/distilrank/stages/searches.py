"""What searches all passages of a collection: BM25, or a dense ranker."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl

from distilrank.artifacts import layout
from distilrank.config.derived import measured_on, model_of_index, stored_vectors_of, tokens_of
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.runs import found
from distilrank.retrieval.bm25 import BM25
from distilrank.sections.data import BM25 as LEXICAL

# The best passages of queries (query_id, text, split).
Search = Callable[[pl.DataFrame], pl.DataFrame]


def inputs_of_search(params: Params, name: str) -> list[Path]:
    """What a search by `name` reads, besides the collection that models learn from."""
    if name == LEXICAL:
        return []
    model = model_of_index(params, name)
    vectors, index = stored_vectors_of(params, model), [layout.INDEXES / name] if model != name else []
    return [tokens_of(params, model), layout.MODELS / model, *([vectors] if vectors else []), *index]


def search_by(params: Params, name: str, depth: int, work: Path, on: str = layout.OWN) -> Search:
    """Searches by BM25, by an index, or exactly by a dense model. `work` keeps the vectors of a model without stored
    ones. Raises MissingInput."""
    return _by_bm25(params, on, depth) if name == LEXICAL else _by_model(params, name, on, depth, work)


def _by_bm25(params: Params, on: str, depth: int) -> Search:
    section, collection = measured_on(params, on), Collection.read(layout.places_of(on).collection)
    bm25 = BM25(collection.passage_ids(), collection.passage_texts(), section.candidates)
    apart = section.collection.exclude_identical_ids

    def search(queries: pl.DataFrame) -> pl.DataFrame:
        find = partial(bm25.search, queries["query_id"].to_list(), queries["text"].to_list())
        return found(find, depth, apart)

    return search


def _by_model(params: Params, name: str, on: str, depth: int, work: Path) -> Search:
    """Searches by an index of that name, or exactly by a model's vectors, which are stored or made here."""
    # Torch, which a search by BM25 alone does without.
    from distilrank.data.tokens import TokenStore
    from distilrank.model import Model
    from distilrank.retrieval.dense import DenseIndex
    from distilrank.retrieval.encoding import encoded_passages

    of = model_of_index(params, name)
    tokens, directory = TokenStore.open(tokens_of(params, of, on)), layout.MODELS / of
    model = Model.load(directory, layout.INDEXES / name if of != name else stored_vectors_of(params, name, on))
    if model.index is None:
        place = work / "vectors"
        stored = encoded_passages(directory, tokens, tokens.passage_ids, place, params.encoding, name)
        model.index = DenseIndex(stored)
    apart = measured_on(params, on).collection.exclude_identical_ids
    return lambda queries: model.retrieve(tokens, queries["query_id"], depth, apart)

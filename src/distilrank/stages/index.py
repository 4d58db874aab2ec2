"""index: a dense ranker's vectors of all passages, for nearest-neighbour search."""

import numpy as np

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.work import work_directory
from distilrank.config.derived import tokens_of
from distilrank.config.params import Params
from distilrank.data.tokens import TokenStore
from distilrank.rankers.loading import load_ranker
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.vector_file import passage_vectors


def index(params: Params, name: str) -> None:
    model = layout.MODELS / name
    store = tokens_of(params, name)
    tokens = TokenStore.open(store)
    used, inputs = {"index": params.index.model_dump()}, [store, model]
    every = np.arange(len(tokens.passage_ids))
    with (
        work_directory(f"index-{name}", "index", used, inputs) as work,
        whole_directory(layout.INDEXES / name, f"distilrank index {name}", used, inputs) as draft,
    ):
        vectors = passage_vectors(load_ranker(model), tokens.texts, every, work, name)
        DenseIndex.build(vectors, tokens.passage_ids, params.index).write(draft.path)
        draft.counts |= {"passages": len(vectors), "dimensions": vectors.shape[1]}

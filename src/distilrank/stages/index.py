"""index: a dense ranker's vectors of all passages, for nearest-neighbour search."""

import numpy as np

from distilrank import layout
from distilrank.artifacts import whole_directory
from distilrank.data.tokens import TokenStore
from distilrank.progress import progress
from distilrank.rankers.architectures import load_ranker
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.vectors import encode_vectors


def index(name: str) -> None:
    model = layout.MODELS / name
    tokens = TokenStore.open(layout.TOKENS)
    ranker = load_ranker(model)
    rows, pad = np.arange(len(tokens.passages)), tokens.special_tokens.pad
    with progress(f"passages encoded by {name}", len(rows)) as advance:
        vectors = encode_vectors(ranker.encode_passages, tokens.passages, rows, pad, ranker.device, advance)
    with whole_directory(layout.INDEXES / name, f"distilrank index {name}", {}, [layout.TOKENS, model]) as draft:
        DenseIndex.build(vectors, tokens.passage_ids).write(draft.path)
        draft.counts |= {"passages": len(vectors), "dimensions": vectors.shape[1]}

"""encode: a dense ranker's exact vectors of all passages, which re-rank, are searched, and make indexes."""

import os

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.work import work_directory
from distilrank.config.derived import tokens_of
from distilrank.config.params import Params
from distilrank.data.tokens import TokenStore
from distilrank.retrieval.encoding import encoded_passages
from distilrank.retrieval.vector_store import VECTORS_FILE, write_ids


def encode(params: Params, name: str) -> None:
    """Writes vectors/<name>/: `vectors.npy` (passages, width), and the passage id of each row."""
    model, store = layout.MODELS / name, tokens_of(params, name)
    tokens = TokenStore.open(store)
    used, inputs = params.encoding.model_dump(include={"precision", "store"}), [store, model]
    with (
        work_directory(f"encode-{name}", "encode", used, inputs) as work,
        whole_directory(layout.VECTORS / name, f"distilrank encode {name}", used, inputs) as draft,
    ):
        vectors = encoded_passages(model, tokens, tokens.passage_ids, work, params.encoding, name)
        # Not copied: it may be large, and a kill leaves it in the work directory.
        os.link(work / VECTORS_FILE, draft.path / VECTORS_FILE)
        write_ids(tokens.passage_ids, draft.path)
        draft.counts |= {"passages": len(vectors), "dimensions": vectors.width}

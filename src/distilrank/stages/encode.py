"""encode: what a student computes of all passages, for re-ranking, for search and for indexes."""

import os
from pathlib import Path

import numpy as np

from distilrank.artifacts import layout
from distilrank.artifacts.directories import Draft, whole_directory
from distilrank.artifacts.files import write_json
from distilrank.artifacts.work import work_directory
from distilrank.config.derived import tokens_of
from distilrank.config.params import Params
from distilrank.config.starts import student_of
from distilrank.data.tokens import TokenStore
from distilrank.retrieval.encoding import encoded_passages
from distilrank.retrieval.passage_index import KIND_FILE
from distilrank.retrieval.store_kinds import Inverted, VectorPerToken
from distilrank.retrieval.storing import stored_passages
from distilrank.retrieval.vector_store import VECTORS_FILE, write_ids


def encode(params: Params, name: str) -> None:
    """Writes vectors/<name>/: the passage id of each row, and `vectors.npy` (passages, width) or a passage store.

    Raises InputError for a store that has no room here.
    """
    model, place = layout.MODELS / name, tokens_of(params, name)
    tokens, kind = TokenStore.open(place), params.indexes[student_of(name)]
    used = params.encoding.model_dump(include={"precision", "store"}) | {"kind": kind.model_dump()}
    inputs = [place, model]
    with (
        work_directory(f"encode-{name}", "encode", used, inputs) as work,
        whole_directory(layout.VECTORS / name, f"distilrank encode {name}", used, inputs) as draft,
    ):
        if isinstance(kind, VectorPerToken | Inverted):
            _store(params, kind, name, tokens, work, draft)
        else:
            vectors = encoded_passages(model, tokens, tokens.passage_ids, work, params.encoding, name)
            # Not copied: it may be large, and a kill leaves it in the work directory.
            os.link(work / VECTORS_FILE, draft.path / VECTORS_FILE)
            write_ids(tokens.passage_ids, draft.path)
            draft.counts |= {"passages": len(vectors), "dimensions": vectors.width}


def _store(
    params: Params, kind: VectorPerToken | Inverted, name: str, tokens: TokenStore, work: Path, draft: Draft
) -> None:
    every, place = np.arange(len(tokens.passage_ids)), work / "store"
    store = stored_passages(
        layout.MODELS / name, tokens.texts, tokens.passage_ids, every, place, params.encoding, kind.numbers, name,
        kind.index_bytes,
    )  # fmt: skip
    kind.build(store, place, name)
    for file in place.iterdir():
        os.link(file, draft.path / file.name)
    write_json(draft.path / KIND_FILE, kind.model_dump())
    draft.counts |= {"passages": len(store), "entries": int(store.stored.offsets[-1])}

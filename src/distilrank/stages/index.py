"""index: an approximate index of a model's vectors, for nearest-neighbour search."""

import os
from pathlib import Path

from distilrank.artifacts import layout
from distilrank.artifacts.costs import Meter
from distilrank.artifacts.directories import Draft, whole_directory
from distilrank.artifacts.files import write_json
from distilrank.artifacts.work import work_directory
from distilrank.config.derived import built_indexes
from distilrank.config.params import Params
from distilrank.errors import InputError
from distilrank.retrieval.dense import write_searcher
from distilrank.retrieval.faiss_index import built_index
from distilrank.retrieval.fitting import Size, bytes_in, refuse_without_room
from distilrank.retrieval.fitting_index import refuse_too_large
from distilrank.retrieval.kinds import Approximate
from distilrank.retrieval.passage_index import KIND_FILE
from distilrank.retrieval.passage_store import PassageStore
from distilrank.retrieval.store_kinds import OfStore
from distilrank.retrieval.vector_store import VectorStore


def index(params: Params, name: str) -> None:
    """Writes indexes/<name>/. Raises InputError for an index that the params do not name, or that has no room here."""
    indexes = {one.name: one for one in built_indexes(params)}
    if name not in indexes:
        raise InputError("index", got=f"'{name}'", expected=f"one of {list(indexes)}", remedy="name one of these")
    kind, vectors = params.indexes[indexes[name].entry], layout.VECTORS / indexes[name].model
    used, inputs = {"index": kind.model_dump()}, [vectors]
    with work_directory(f"index-{name}", "index", used, inputs) as work:
        meter = Meter(work)
        with (
            meter.remembering(),
            whole_directory(layout.INDEXES / name, f"distilrank index {name}", used, inputs) as draft,
        ):
            if isinstance(kind, OfStore):
                _of_store(kind, PassageStore.open(vectors), work / "index", draft, name)
            else:
                assert isinstance(kind, Approximate)
                _of_vectors(kind, VectorStore.read(vectors), work, draft, name)
        meter.read().keep(layout.INDEXES / name)


def _of_vectors(kind: Approximate, store: VectorStore, work: Path, draft: Draft, name: str) -> None:
    refuse_too_large(kind, len(store), store.width, name)
    write_searcher(kind, built_index(kind, store, work, name), draft.path)
    draft.counts |= {"passages": len(store), "dimensions": store.width}


def _of_store(kind: OfStore, store: PassageStore, place: Path, draft: Draft, name: str) -> None:
    place.mkdir(exist_ok=True)
    what = f"an index of kind {kind.kind} of {len(store):,} passages with {store.entries:,} entries"
    refuse_without_room(name, what, Size(*kind.bytes_built(store)), there=bytes_in(place))
    kind.build(store, place, name)
    for file in place.iterdir():
        os.link(file, draft.path / file.name)
    write_json(draft.path / KIND_FILE, kind.model_dump())
    draft.counts |= {"passages": len(store)}

"""index: an approximate index of a model's vectors, for nearest-neighbour search."""

from distilrank.artifacts import layout
from distilrank.artifacts.costs import Meter
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.work import work_directory
from distilrank.config.derived import built_indexes
from distilrank.config.params import Params
from distilrank.errors import InputError
from distilrank.retrieval.dense import write_searcher
from distilrank.retrieval.faiss_index import built_index
from distilrank.retrieval.fitting import refuse_too_large
from distilrank.retrieval.kinds import Approximate
from distilrank.retrieval.vector_store import VectorStore


def index(params: Params, name: str) -> None:
    """Writes indexes/<name>/. Raises InputError for an index that the params do not name, or has no room here."""
    indexes = {one.name: one for one in built_indexes(params)}
    if name not in indexes:
        raise InputError("index", got=f"'{name}'", expected=f"one of {list(indexes)}", remedy="name one of these")
    kind, vectors = params.indexes[indexes[name].entry], layout.VECTORS / indexes[name].model
    assert isinstance(kind, Approximate)
    store, used, inputs = VectorStore.read(vectors), {"index": kind.model_dump()}, [vectors]
    refuse_too_large(kind, len(store), store.width, name)
    with work_directory(f"index-{name}", "index", used, inputs) as work:
        meter = Meter(work)
        with whole_directory(layout.INDEXES / name, f"distilrank index {name}", used, inputs) as draft:
            write_searcher(kind, built_index(kind, store, work, name), draft.path)
            draft.counts |= {"passages": len(store), "dimensions": store.width}
        meter.read().keep(layout.INDEXES / name)

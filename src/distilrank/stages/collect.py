"""collect: the collection as tables of passages, queries and qrels."""

from distilrank import layout
from distilrank.artifacts import whole_directory
from distilrank.data.sources import read_source
from distilrank.params import Params


def collect(params: Params) -> None:
    section = params.collection
    collection = read_source(section)
    with whole_directory(layout.COLLECTION, "distilrank collect", section.model_dump(), []) as draft:
        draft.counts |= collection.write(draft.path)

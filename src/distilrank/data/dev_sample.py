"""A sample of the dev queries, always the same. It decides which step a training keeps, and the weights of an
ensemble."""

import numpy as np
import polars as pl

from distilrank.data.collection import DEV, Collection
from distilrank.data.ragged import Rows
from distilrank.errors import CollectionError


def dev_sample(collection: Collection, most: int) -> pl.DataFrame:
    """A random sample of at most `most` dev queries (query_id). Raises CollectionError if there are none."""
    dev = collection.queries_of(DEV).select("query_id")
    if dev.is_empty():
        raise CollectionError(
            "the collection",
            got="no dev queries",
            expected="some, to choose each training's best step by",
            remedy="set collection.dev_share to take some of the training queries, or raise pseudo_queries.dev_share",
        )
    return dev[drawn(len(dev), most)]


def drawn(available: int, wanted: int) -> Rows:
    """Random positions, ascending, always the same."""
    return np.sort(np.random.default_rng(0).choice(available, min(wanted, available), replace=False))

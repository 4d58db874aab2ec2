"""Stored passages or an index of them, from which a model answers: dense vectors, or a passage store."""

from pathlib import Path
from typing import Any

from distilrank.errors import InputError
from distilrank.rankers.base import Ranker
from distilrank.retrieval.made_from import vectors_behind
from distilrank.retrieval.passage_index import PassageIndex
from distilrank.retrieval.passage_store import STORE


def opened(directory: Path, ranker: Ranker, live: bool = False) -> PassageIndex[Any]:
    """Opens what is in a directory. All is mapped, except for a `live` index, which takes changes.

    Raises MissingInput, also if an index was built of other encodings, and InputError for a live passage store.
    """
    behind = vectors_behind(directory)
    if (behind / STORE).is_file():
        if live:
            raise InputError(
                directory, got="a passage store, which takes no changes", expected="vectors, or an index of them",
                remedy="encode the passages again: dvc repro",
            )  # fmt: skip
        from distilrank.retrieval.store_index import StoreIndex

        return StoreIndex.read(directory, behind, ranker)
    from distilrank.retrieval.dense import DenseIndex

    return DenseIndex.read(directory, live)

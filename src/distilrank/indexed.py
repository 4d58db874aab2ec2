"""What searches all passages: a model by its exact vectors, or an index of these, by their names."""

from pathlib import Path

from distilrank.artifacts import layout
from distilrank.config.derived import built_indexes, encoded_models, model_of_index
from distilrank.config.params import Params
from distilrank.errors import InputError
from distilrank.model import Model


def load_indexed(params: Params, name: str, live: bool = False) -> Model:
    """The model with what searches its passages: `dot-T1` searches exactly, `dot-hnsw-T1` by that index of dot-T1. A
    `live` index takes changes.

    Raises InputError if nothing of that name searches, MissingInput if it is not built, or not of what is here.
    """
    return Model.load(layout.MODELS / model_of_index(params, name), place_of(params, name), live)


def place_of(params: Params, name: str) -> Path:
    """The directory of what searches, which may not be built. Raises InputError where nothing of that name searches."""
    searched = encoded_models(params, only_searched=True)
    if name in searched:
        return layout.VECTORS / name
    indexes = [one.name for one in built_indexes(params, only_searched=True)]
    if name not in indexes:
        known = [*searched, *indexes]
        raise InputError("search", got=f"'{name}'", expected=f"one of {known}", remedy="name one of these")
    return layout.INDEXES / name

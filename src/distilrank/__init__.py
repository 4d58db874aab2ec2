"""Distil slow, strong neural rankers into small, fast ones.

`load` gives a trained ranker, `evaluate` measures a run, `losses` holds the losses. Each is imported when asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distilrank import losses
    from distilrank.api import evaluate, load
    from distilrank.data.runs import Hit
    from distilrank.model import Model

__all__ = ["Hit", "Model", "evaluate", "load", "losses"]
_HOMES = {"evaluate": "api", "load": "api", "Hit": "data.runs", "Model": "model"}


def __getattr__(name: str) -> Any:
    if name == "losses":
        return import_module(f"{__name__}.losses")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__} has no attribute {name}")

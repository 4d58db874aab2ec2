"""Measures that the params name but that no depth allows, so that nothing shows them."""

from collections.abc import Iterator

from distilrank.artifacts.layout import OWN
from distilrank.config.derived import measured_on, measures_of
from distilrank.config.params import Params
from distilrank.evaluation.tasks import RERANK, RETRIEVE


def unmeasured(params: Params) -> Iterator[str]:
    """A line for each measure that no collection is measured with."""
    collections = (OWN, *params.evaluations)
    measured = {one for name in collections for kind in (RERANK, RETRIEVE) for one in measures_of(params, kind, name)}
    depths = " and ".join(f"{_key(name)} is {measured_on(params, name).candidates.depth}" for name in collections)
    for measure in params.evaluation.measures:
        if measure not in measured:
            yield f"{measure} is measured nowhere: {depths}"


def _key(evaluation: str) -> str:
    return "candidates.depth" if evaluation == OWN else f"evaluations.{evaluation}.candidates.depth"

"""metrics: the figures of all rankers on all test collections, query by query and in the mean."""

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import built, write_json
from distilrank.config.derived import evaluated
from distilrank.config.params import Params
from distilrank.evaluation.measures import Means, means_by_task


def metrics(params: Params) -> Means:
    """Writes evaluation/measures/ and metrics.json, and returns the latter: task -> ranker -> measure -> mean.

    Raises MissingInput.
    """
    places = [(ranker, layout.runs_of(ranker, on)) for on, ranker in evaluated(params)]
    tables = [
        pl.read_parquet(built(place / layout.MEASURES.name)).select(pl.lit(ranker).alias("ranker"), pl.all())
        for ranker, place in places
    ]
    every = pl.concat(tables)
    inputs = [place for _, place in places]
    with whole_directory(layout.MEASURES.parent, "distilrank metrics", {}, inputs) as draft:
        every.write_parquet(draft.path / layout.MEASURES.name)
        draft.counts |= {"rankers": len({ranker for ranker, _ in places}), "values": len(every)}
    found = means_by_task(every)
    write_json(layout.METRICS, found)
    return found

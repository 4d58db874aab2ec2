"""Means and standard deviations over the seeds of models that were trained with several."""

from collections.abc import Mapping
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from distilrank.config.names import without_seed

if TYPE_CHECKING:
    import polars as pl

Metrics = Mapping[str, Mapping[str, Mapping[str, float]]]  # task -> ranker -> measure -> mean
Figures = dict[str, dict[str, dict[str, float]]]


def over_seeds(metrics: Metrics) -> tuple[Figures, Figures]:
    """The means over each ranker's seeds, and the standard deviations of rankers with several seeds."""
    means: Figures = {}
    deviations: Figures = {}
    for task, by_model in metrics.items():
        grouped: dict[str, list[Mapping[str, float]]] = {}
        for model, values in by_model.items():
            grouped.setdefault(without_seed(model), []).append(values)
        by_ranker = {ranker: _by_measure(models) for ranker, models in grouped.items()}
        means[task] = {name: {one: fmean(seen) for one, seen in values.items()} for name, values in by_ranker.items()}
        deviations[task] = {
            name: {one: stdev(seen) for one, seen in values.items()}
            for name, values in by_ranker.items()
            if len(grouped[name]) > 1
        }
    return means, deviations


def measures_over_seeds(measures: "pl.DataFrame") -> "pl.DataFrame":
    """The mean over the seeds of each ranker's values, query by query: (ranker, task, query_id, measure, value)."""
    import polars as pl  # imported late: the flow imports this module, and polars' SIGINT handler would take its Ctrl-C

    of_ranker = measures.with_columns(pl.col("ranker").map_elements(without_seed, pl.String))
    keys = ["ranker", "task", "query_id", "measure"]
    return of_ranker.group_by(keys, maintain_order=True).agg(pl.col("value").mean())


def _by_measure(models: list[Mapping[str, float]]) -> dict[str, list[float]]:
    return {measure: [values[measure] for values in models] for measure in models[0]}

"""The weights of an ensemble's members that rank the dev queries' candidates best."""

from collections.abc import Mapping

import polars as pl

from distilrank.evaluation.measures import measure
from distilrank.evaluation.weights import Tuned, tuned_weights
from distilrank.labels.ensembles import combine


def tuned(
    members: Mapping[str, pl.DataFrame], scales: Mapping[str, pl.Expr], qrels: pl.DataFrame, measured_by: str
) -> Tuned:
    """The best weights, found from each member's scores (query_id, passage_id, score) of the same pairs.

    The `scales` are those of the labels. A weighting is judged by the mean of a measure over the queries of `qrels`.
    Raises ScoreError as `combine` does.
    """

    def effectiveness(weights: Mapping[str, float]) -> float:
        run = combine(members, "mean", scales, weights)
        value = measure(run, qrels, measures=[measured_by])["value"].mean()
        assert isinstance(value, float)
        return value

    return tuned_weights(list(members), effectiveness)

"""The weights of a fusion: those given, or those that are best on dev queries."""

from pathlib import Path

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.config.params import Params
from distilrank.data.collection import DEV, Collection
from distilrank.data.intake import lot_of
from distilrank.errors import CollectionError
from distilrank.evaluation.measures import measure
from distilrank.progress import progress
from distilrank.retrieval.fusion import weighted_sum
from distilrank.retrieval.tuning import ChosenWeights, Tuned, Weights, tuned_weights
from distilrank.sections.data import BM25
from distilrank.sections.systems import WeightedSum
from distilrank.stages.searches import search_by


def chosen_weights(params: Params, name: str, system: WeightedSum, work: Path) -> ChosenWeights:
    """Of a system, by its name. `work` keeps the vectors of a member that has none.

    Raises MissingInput, CollectionError where there are no dev queries to tune on.
    """
    if system.weights is not None:
        return ChosenWeights({member: system.weights[member] for member in system.fuse}, None)
    collection, by = Collection.read(layout.COLLECTION), params.validation.measure
    queries = _sample(collection, name, system.queries)
    qrels = collection.qrels_of(DEV).join(queries, on="query_id", how="semi")
    runs = [_found(params, member, queries, system.depth, work / member) for member in system.fuse]
    with progress(f"weights of {name} tried", None) as advance:

        def mean(weights: Weights) -> float:
            advance(1)
            values = measure(weighted_sum(runs, weights, system.scale), qrels, measures=[by])["value"]
            return float(values.sum()) / len(values)

        weights, value = tuned_weights(len(runs), mean)
    return ChosenWeights(dict(zip(system.fuse, weights, strict=True)), Tuned(by, len(queries), value))


def _sample(collection: Collection, name: str, most: int) -> pl.DataFrame:
    """Dev queries that have qrels, drawn as if by lot, ascending: always the same."""
    judged = collection.queries_of(DEV).join(collection.qrels_of(DEV), on="query_id", how="semi")
    if judged.is_empty():
        raise CollectionError(
            f"params.yaml: systems.{name}",
            got="weights to be tuned, and no dev queries with qrels",
            expected="some to tune them on",
            remedy="set collection.dev_share to take some of the training queries, or give the weights",
        )
    lots = pl.col("query_id").map_elements(lot_of, pl.Float64)
    return judged.sort(lots).head(most).sort("query_id")


def _found(params: Params, member: str, queries: pl.DataFrame, depth: int, work: Path) -> pl.DataFrame:
    """A member's best passages of the queries. BM25's are the candidates."""
    if member == BM25 == params.candidates.first_stage():
        every = pl.scan_parquet(built(layout.CANDIDATES / "candidates.parquet"))
        best = every.filter(pl.col("rank") <= depth).join(queries.lazy(), on="query_id", how="semi")
        return best.drop("rank").collect()
    return search_by(params, member, depth, work)(queries)

"""The weights of a fusion: those given, or those that search best on dev queries."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.config.params import Params
from distilrank.data.collection import DEV, Collection
from distilrank.data.dev_sample import dev_sample
from distilrank.evaluation.measures import measure
from distilrank.evaluation.weights import Tuned, tuned_weights
from distilrank.retrieval.fusion import weighted_sum
from distilrank.sections.data import BM25
from distilrank.sections.systems import WeightedSum
from distilrank.stages.searches import search_by


def fusion_weights(params: Params, system: WeightedSum, work: Path) -> tuple[Mapping[str, float], Tuned | None]:
    """The weights by member, and what they reach if they were tuned. `work` keeps the vectors of a member without
    stored ones.

    Raises MissingInput, CollectionError if there are no dev queries.
    """
    if isinstance(system.weights, dict):
        return system.weights, None
    collection = Collection.read(layout.COLLECTION)
    asked = dev_sample(collection, params.validation.queries)
    queries = collection.queries.join(asked, on="query_id", how="semi")
    qrels = collection.qrels_of(DEV).join(asked, on="query_id", how="semi")
    runs = {member: _found(params, member, queries, system.depth, work / member) for member in system.fuse}

    def effectiveness(weights: Mapping[str, float]) -> float:
        run = weighted_sum(runs, weights, system.scale)
        value = measure(run, qrels, measures=[params.validation.measure])["value"].mean()
        assert isinstance(value, float)
        return value

    tuned = tuned_weights(system.fuse, effectiveness)
    return tuned.weights, tuned


def _found(params: Params, member: str, queries: pl.DataFrame, depth: int, work: Path) -> pl.DataFrame:
    """A member's best passages of the queries. BM25's are the candidates."""
    if member == BM25 == params.candidates.first_stage():
        every = pl.scan_parquet(built(layout.CANDIDATES / "candidates.parquet"))
        best = every.filter(pl.col("rank") <= depth).join(queries.lazy(), on="query_id", how="semi")
        return best.drop("rank").collect()
    return search_by(params, member, depth, work)(queries)

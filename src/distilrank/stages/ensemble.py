"""ensemble: joins several teachers' scores of a set of triples, and labels these triples with the result."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.data.collection import DEV, Collection
from distilrank.data.dev_sample import dev_sample
from distilrank.data.query_ranges import QueryRange
from distilrank.evaluation.weights import Tuned
from distilrank.labels.ensembles import combine
from distilrank.labels.scales import scale_of
from distilrank.labels.tuned import tuned
from distilrank.scoring.scores import scan_scores
from distilrank.stages.labelled import label_triples, scored_ranges

# It reaches the losses, which no label depends on.
if TYPE_CHECKING:
    from distilrank.config.models import Ensemble


def ensemble(params: Params, name: str, triples: str) -> None:
    """Tuned weights are in the manifest of the labels, with what they reach on the dev queries."""
    section = params.ensemble(name)
    params.triples_named(triples)
    ranges = scored_ranges(params, triples)
    stores = {member: layout.SCORES / triples / member for member in section.members}
    scores = {member: scan_scores(store) for member, store in stores.items()}
    scales = {
        member: scale_of(member, section.scale, (queries.of(scan).collect() for queries in ranges))
        for member, scan in scores.items()
    }
    found = _tuned(params, section, scales) if section.weights == "tuned" else None
    weights = found.weights if found else section.given_weights

    def combined(queries: QueryRange) -> pl.DataFrame:
        members = {member: queries.of(scan).collect() for member, scan in scores.items()}
        return combine(members, section.combine, scales, weights)

    used = section.model_dump() | {"weights": weights, "tuned": found and found._asdict()}
    sources = [*stores.values(), *(layout.DEV_SCORES / member for member in section.members if found)]
    label_triples(params, name, triples, combined, used, sources)


def _tuned(params: Params, section: "Ensemble", scales: Mapping[str, pl.Expr]) -> Tuned:
    collection = Collection.read(layout.COLLECTION)
    asked = dev_sample(collection, params.validation.queries)
    qrels = collection.qrels_of(DEV).join(asked, on="query_id", how="semi")
    members = {member: scan_scores(layout.DEV_SCORES / member).collect() for member in section.members}
    return tuned(members, scales, qrels, params.validation.measure)

"""ensemble: several teachers' scores of a set of triples joined into one's, and these triples labelled with them."""

import polars as pl

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.data.query_ranges import QueryRange
from distilrank.labels.ensembles import combine
from distilrank.labels.scales import scale_of
from distilrank.scoring.scores import scan_scores
from distilrank.stages.labelled import label_triples, scored_ranges


def ensemble(params: Params, name: str, triples: str) -> None:
    section = params.ensemble(name)
    params.triples_named(triples)
    ranges = scored_ranges(params, triples)
    stores = {member: layout.SCORES / triples / member for member in section.members}
    scores = {member: scan_scores(store) for member, store in stores.items()}
    scales = {
        member: scale_of(member, section.scale, (queries.of(scan).collect() for queries in ranges))
        for member, scan in scores.items()
    }

    def combined(queries: QueryRange) -> pl.DataFrame:
        members = {member: queries.of(scan).collect() for member, scan in scores.items()}
        return combine(members, section.combine, scales)

    label_triples(params, name, triples, combined, section.model_dump(), list(stores.values()))

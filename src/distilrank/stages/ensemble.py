"""ensemble: several teachers' scores joined into one's, and the triples labelled with them."""

from distilrank import layout
from distilrank.params import Params
from distilrank.scoring.ensembles import combine
from distilrank.scoring.store import read_scores
from distilrank.stages.labelled import write_labels


def ensemble(params: Params, name: str) -> None:
    section = params.ensemble(name)
    stores = {member: layout.SCORES / member for member in section.members}
    scores = combine({member: read_scores(store) for member, store in stores.items()}, section.combine)
    write_labels(name, scores, section.model_dump(), list(stores.values()))

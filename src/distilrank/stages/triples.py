"""triples: a set of training triples, drawn from the train qrels and the candidates, or given."""

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import built
from distilrank.config.params import Params
from distilrank.data.collection import TRAIN, Collection
from distilrank.data.given_lists import write_given_lists
from distilrank.data.given_triples import write_given_triples
from distilrank.data.triples import TRIPLES, sample_triples
from distilrank.errors import ParamsError
from distilrank.sections.data import GivenLists, GivenTriples, Triples
from distilrank.sections.mining import MinedTriples
from distilrank.stages.unlabelled import unlabelled_used, write_unlabelled


def triples(params: Params, name: str) -> None:
    """Writes data/triples/<name>/. Raises ParamsError for triples that are mined."""
    section = params.triples_named(name)
    if isinstance(section, MinedTriples):
        raise ParamsError(
            f"params.yaml: triples.{name}", got="triples that are mined", expected="drawn or given ones",
            remedy=f"run `distilrank mine {name}`",
        )  # fmt: skip
    collection = Collection.read(layout.COLLECTION)
    candidates = pl.scan_parquet(built(layout.CANDIDATES / "candidates.parquet"))
    inputs = [layout.COLLECTION, layout.CANDIDATES]
    used = section.model_dump() | unlabelled_used(params.unlabelled)
    with whole_directory(layout.TRIPLES / name, f"distilrank triples {name}", used, inputs) as draft:
        file = draft.path / TRIPLES
        match section:
            case GivenTriples():
                drop = params.collection.on_error == "drop"
                draft.counts |= write_given_triples(file, section, collection, drop)
            case GivenLists():
                draft.counts |= write_given_lists(file, section, collection)
            case Triples():
                qrels = collection.qrels_of(TRAIN)
                train = candidates.join(qrels.lazy(), on="query_id", how="semi").collect()
                sample_triples(qrels, train, section, section.count, f"triples.{name}").write_parquet(file)
        found = pl.scan_parquet(file).select(triples=pl.len(), queries=pl.col("query_id").n_unique())
        draft.counts |= found.collect(engine="streaming").row(0, named=True)
        if params.unlabelled:
            draft.counts |= write_unlabelled(draft.path, collection, candidates, params.unlabelled.clicks)

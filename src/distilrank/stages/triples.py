"""triples: a set of training triples, drawn from the train qrels and the candidates, or given."""

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import built
from distilrank.config.params import Params
from distilrank.data.collection import TRAIN, Collection
from distilrank.data.collection import UNLABELLED as UNLABELLED_SPLIT
from distilrank.data.given_lists import write_given_lists
from distilrank.data.given_triples import write_given_triples
from distilrank.data.triples import TRIPLES, UNLABELLED, sample_triples
from distilrank.errors import CollectionError
from distilrank.sections.data import GivenLists, GivenTriples, Triples


def triples(params: Params, name: str) -> None:
    """Writes data/triples/<name>/."""
    section = params.triples_named(name)
    collection = Collection.read(layout.COLLECTION)
    candidates = pl.scan_parquet(built(layout.CANDIDATES / "candidates.parquet"))
    inputs = [layout.COLLECTION, layout.CANDIDATES]
    with whole_directory(layout.TRIPLES / name, f"distilrank triples {name}", section.model_dump(), inputs) as draft:
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
            unlabelled = _unlabelled(collection, candidates)
            unlabelled.write_parquet(draft.path / UNLABELLED)
            draft.counts["unlabelled queries"] = len(unlabelled)


def _unlabelled(collection: Collection, candidates: pl.LazyFrame) -> pl.DataFrame:
    """The candidates of queries without qrels, for teachers to score, in the form of triples: the best, and the others.

    Raises CollectionError if there are none.
    """
    queries = collection.queries_of(UNLABELLED_SPLIT).lazy()
    ordered = candidates.join(queries, on="query_id", how="semi").sort("query_id", "rank")
    passages = pl.col("passage_id")
    found = ordered.group_by("query_id", maintain_order=True).agg(
        positive_id=passages.first(), negative_ids=passages.slice(1)
    )
    several = found.filter(pl.col("negative_ids").list.len() > 0).collect()
    if several.is_empty():
        raise CollectionError(
            "params.yaml: unlabelled",
            got="no query without qrels that has two candidates",
            expected="some",
            remedy="name their file as collection.unlabelled, or set unlabelled to null",
        )
    return several

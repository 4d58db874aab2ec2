"""find: what a source finds for the training queries among all passages, as negatives of mined triples."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.work import work_directory
from distilrank.config.params import Params
from distilrank.data.collection import TRAIN, Collection
from distilrank.data.given_runs import given_candidates
from distilrank.data.run_tables import FOUND, write_ranked
from distilrank.data.runs import ranked
from distilrank.data.triples import positives_of
from distilrank.errors import CollectionError, ParamsError
from distilrank.progress import progress
from distilrank.sections.base import FileElsewhere
from distilrank.sections.data import BM25 as LEXICAL
from distilrank.sections.mining import MinedTriples
from distilrank.stages.searches import inputs_of_search, search_by

_QUERIES_AT_ONCE = 1_000


def find(params: Params, triples: str, name: str) -> None:
    """Writes data/found/<triples>/<name>/: (query_id, passage_id, score, rank) of the ranks that are asked for."""
    section = params.mined(triples)
    source = _source(section, triples, name)
    collection = Collection.read(layout.COLLECTION)
    positives = positives_of(collection.qrels_of(TRAIN))
    queries = collection.queries_of(TRAIN).join(positives, on="query_id", how="semi")
    used = {"from": source.model_dump() if isinstance(source, FileElsewhere) else source, "ranks": section.ranks}
    if name in section.models():
        used["encoding"] = params.encoding.model_dump()
    if source == LEXICAL:
        used |= params.candidates.model_dump(include={"k1", "b", "stemmer"})
    inputs = [layout.COLLECTION, *(inputs_of_search(params, name) if name in section.models() else [])]
    first, last = section.ranks
    made_by = f"distilrank find {triples} {name}"
    with (
        work_directory(f"find-{triples}-{name}", "find", used, inputs) as work,
        whole_directory(layout.FOUND / triples / name, made_by, used, inputs) as draft,
    ):
        runs = _runs(params, collection, queries, source, last, work)
        file = draft.path / FOUND
        write_ranked((run.filter(pl.col("rank").is_between(first, last)) for run in runs), file)
        told = pl.scan_parquet(file).select(found=pl.len(), queries=pl.col("query_id").n_unique())
        draft.counts |= told.collect(engine="streaming").row(0, named=True)


def _source(section: MinedTriples, triples: str, name: str) -> str | FileElsewhere:
    names = section.source_names()
    if name not in names:
        raise ParamsError(
            f"params.yaml: triples.{triples}.from",
            got=f"no source '{name}'",
            expected=f"one of {names}",
            remedy="name one of these, or add the source",
        )
    return section.sources[names.index(name)]


def _runs(
    params: Params, collection: Collection, queries: pl.DataFrame, source: str | FileElsewhere, depth: int, work: Path
) -> Iterator[pl.DataFrame]:
    """The best `depth` passages of the queries, for some queries at a time."""
    apart = params.collection.exclude_identical_ids
    if isinstance(source, FileElsewhere):
        given, _ = given_candidates([source], collection, params.collection.on_error == "drop", apart)
        of_training = given.join(queries, on="query_id", how="semi")
        if of_training.is_empty():
            raise CollectionError(
                source.location,
                got="no training query with a relevant passage",
                expected="a run of training queries",
                remedy="name another run",
            )
        yield ranked(of_training)
        return
    search = search_by(params, source, depth, work)
    with progress(f"queries searched by {source}", len(queries)) as advance:
        for some in queries.iter_slices(_QUERIES_AT_ONCE):
            yield ranked(search(some))
            advance(len(some))

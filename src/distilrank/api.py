"""What DistilRank is to a Python program: `distilrank.load`, `distilrank.evaluate`, `distilrank.losses`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.manifest import MANIFEST, digest, read_manifest
from distilrank.data.runs import RUN_SCHEMA, as_given
from distilrank.errors import InputError
from distilrank.evaluation.measures import means, measure
from distilrank.model import Model
from distilrank.sections.measures import DEFAULT_MEASURES, EXAMPLES, standard

Nested = Mapping[str, Mapping[str, float]]
QRELS_SCHEMA = {"query_id": pl.String, "passage_id": pl.String, "relevance": pl.Int64}


def load(directory: str | Path, index: str | Path | None = None, live: bool = False) -> Model:
    """Loads a trained ranker, such as models/dot-T1, on the device that DISTILRANK_DEVICE names, else on a card if
    there is one.

    It searches by the index that is named, such as indexes/dot-hnsw-T1, else by the project's exact vectors of this
    ranker, such as vectors/dot-T1. `live` allows `put` and `delete`. Raises MissingInput if a file is absent, and
    for the index of another ranker. Raises MissingLibrary, which names an extra, for an index that needs Faiss where
    that is not installed.
    """
    model = Path(directory)
    return Model.load(model, Path(index) if index else _vectors_of(model), live)


def evaluate(
    run: str | Path | Nested | pl.DataFrame,
    qrels: str | Path | Nested | pl.DataFrame,
    minimum_relevance: int = 1,
    measures: Sequence[str] = DEFAULT_MEASURES,
) -> dict[str, float]:
    """The mean of each measure over the queries of the qrels, as trec_eval computes it: ties go by passage id. Names of
    measures are those of ir-measures.

    A run is a TREC file, scores by query and passage ({"q1": {"p7": 3.2}}), or a table (query_id, passage_id, score);
    qrels are the same with relevance in the place of score. `minimum_relevance` is for measures that name no `rel`.
    A query without results has 0. Raises ScoreError for a score that is not finite, InputError.
    """
    return means(measure(as_given(_run(run)), _qrels(qrels), minimum_relevance, [_standard(name) for name in measures]))


def _standard(name: str) -> str:
    try:
        return standard(name)
    except ValueError as error:
        raise InputError(
            "measures", got=f"'{name}' ({error})", expected="a measure by its name", remedy=f"name {EXAMPLES}"
        ) from error


def _vectors_of(model: Path) -> Path | None:
    if model.parent.name != layout.MODELS.name:
        return None
    vectors = model.parents[1] / layout.VECTORS / model.name
    if not (vectors / MANIFEST).is_file():
        return None
    made_from = read_manifest(vectors).inputs.get(str(layout.MODELS / model.name))
    return vectors if made_from == digest(model) else None


def _run(run: str | Path | Nested | pl.DataFrame) -> pl.DataFrame:
    if isinstance(run, str | Path):
        import ir_measures

        return _lines(run, ir_measures.read_trec_run, "score", RUN_SCHEMA)
    return _table(run, RUN_SCHEMA)


def _qrels(qrels: str | Path | Nested | pl.DataFrame) -> pl.DataFrame:
    if isinstance(qrels, str | Path):
        import ir_measures

        return _lines(qrels, ir_measures.read_trec_qrels, "relevance", QRELS_SCHEMA)
    return _table(qrels, QRELS_SCHEMA)


def _lines(file: str | Path, read: Callable[[str], Any], value: str, schema: Mapping[str, Any]) -> pl.DataFrame:
    if not Path(file).is_file():
        raise InputError(file, got="no such file", expected="a TREC file", remedy="correct the path")
    try:
        rows = [(one.query_id, one.doc_id, getattr(one, value)) for one in read(str(file))]
    except (ValueError, OSError) as error:
        raise InputError(
            file, got=f"lines that cannot be read ({error})", expected="a TREC file", remedy="correct the file"
        ) from error
    return pl.DataFrame(rows, schema=dict(schema), orient="row")


def _table(given: Nested | pl.DataFrame, schema: Mapping[str, Any]) -> pl.DataFrame:
    if isinstance(given, pl.DataFrame):
        if absent := [name for name in schema if name not in given.columns]:
            raise InputError(
                "a table", got=f"no column {absent[0]}", expected=", ".join(schema), remedy="rename its columns"
            )
        return given.select(pl.col(name).cast(kind) for name, kind in schema.items())
    rows = [(query, passage, value) for query, passages in given.items() for passage, value in passages.items()]
    return pl.DataFrame(rows, schema=dict(schema), orient="row")
